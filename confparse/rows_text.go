package confparse

import "sync"

// TextBlock is what may stand anywhere in the text, and is done with before
// any keyword is looked at: comments, includes, conditions, definitions and
// loops, under the signs that they begin with.
func TextBlock() Block { return textBlock() }

var textBlock = sync.OnceValue(func() *block[struct{}] { return keywords(textRows()) })

func textRows() []row[struct{}] {
	include := func(name, also string) row[struct{}] {
		return option(name, "<GLOB>", "Reads other files here"+also+".")
	}
	return []row[struct{}]{
		option("#", "rest of line", "A comment, unless it stands in double quotes or behind a backslash.").in("outside double quotes"),
		option("!", "rest of line", "A comment, as with #.").in("outside double quotes"),
		include("include", "; *, ?, [] and {a,b} match several").in("a path or a pattern"),
		include("includer", ", which must be readable"),
		include("includem", ", which must exist"),
		include("includew", ", which a pattern must match"),
		include("includeb", ", which must exist for each name in braces"),
		include("includea", ", with all of these checks"),
		option("@<id>", "<rest of line>", "The rest of the line counts where the id is that of option -i, or of the host.").in("the id, to the letter"),
		option("@^<id>", "<rest of line>", "The rest of the line counts everywhere else."),
		option("$<NAME>=", "<TEXT>", "Defines a text; a backslash at the end goes on with the next line.").in("letters, digits and _"),
		option("${NAME}", "", "Stands for a defined text; $NAME does so before a blank, a comma, ) or the end of the line."),
		option("~SEQ", "(var, [start, [step,]] end) <TEXT>", "Repeats the rest of the line for a sequence of numbers.").in("whole numbers, also 0x and 0").or("start 1 (-1 before a negative end), step 1 or -1"),
		option("~SEQx", "(var, [start, [step,]] end) <TEXT>", "The same with hexadecimal digits.").in("not negative").or("as ~SEQ"),
		option("~LST", "(var, v1, v2, ...) or ({v1,v2},{a,b},...) <TEXT>", "Repeats the rest of the line for each element of a list.").or("what a list lacks is empty"),
		option("${_PWD}", "", "The directory of the file."),
		option("${_INSTANCE}", "", "The id of option -i, or of the host."),
		option("${_RANDOM}", "[MIN [MAX]]", "A random number.").in("0-32767").or("0 32767"),
		option("${_ENV}", "<VARNAME>", "A variable of the environment.").or("empty if it is not set").since("2.4.0"),
		option("${_HASH}", "", "The letter #.").or("#"),
		option("${_BANG}", "", "The letter !.").or("!"),
	}
}
