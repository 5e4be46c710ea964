package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"keepgo/internal/manual"
)

// shells are those that completions are written for.
func shells() map[string]func(io.Writer) {
	return map[string]func(io.Writer){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
}

// runCompletion is the verb completion: what a shell needs to complete a
// command line of keepgo.
func runCompletion(args []string, out, errs io.Writer) int {
	f := newFlags("completion")
	if code, done := parse(f, args, errs); done {
		return code
	}
	write := shells()[f.Arg(0)]
	if write == nil || f.NArg() != 1 {
		fmt.Fprintln(errs, "usage: keepgo completion bash|zsh|fish\n\nin bash: source <(keepgo completion bash)")
		return exitUsage
	}
	write(out)
	return exitOK
}

// operands are the words that may stand behind a verb; files says that names
// of files may.
func (v verb) operands() (words []string, files bool) {
	for _, arg := range strings.Fields(v.args) {
		switch arg = strings.Trim(arg, "[]."); {
		case strings.HasPrefix(arg, "-"):
		case strings.HasPrefix(arg, "KEYWORD"):
			words = append(words, keywords()...)
		case strings.HasPrefix(arg, "FILE"):
			files = true
		case strings.Contains(arg, "|"):
			words = append(words, strings.Split(arg, "|")...)
		}
	}
	return words, files && !strings.Contains(v.args, "-f FILE")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)

// keywords are those of the manual that a shell takes as they are.
func keywords() []string {
	return slices.DeleteFunc(manual.Names(), func(s string) bool { return !plainWord.MatchString(s) })
}

// options are those of a verb, with --help.
func (v verb) options() (list []*pflag.Flag) {
	f := newFlags(v.name)
	if v.flags != nil {
		f = v.flags()
	}
	f.BoolP("help", "h", false, "show the options")
	f.VisitAll(func(o *pflag.Flag) { list = append(list, o) })
	return list
}

// spellings are the ways to write an option.
func spellings(o *pflag.Flag) (list []string) {
	if o.Shorthand != "" {
		list = append(list, "-"+o.Shorthand)
	}
	return append(list, "--"+o.Name)
}

// value says whether an option takes a value, and whether that names a file.
func value(o *pflag.Flag) (takes, file bool) {
	what, _ := pflag.UnquoteUsage(o)
	return o.NoOptDefVal == "", what == "file" || what == "path"
}

// sentence is what an option does, without the marks of its value's name.
func sentence(o *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(o)
	return text
}

func bashCompletion(out io.Writer) {
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	fmt.Fprintf(out, bashHead, strings.Join(names, " "))
	for _, v := range verbs() {
		var all, valued, filed []string
		for _, o := range v.options() {
			all = append(all, spellings(o)...)
			if takes, file := value(o); file {
				filed = append(filed, spellings(o)...)
			} else if takes {
				valued = append(valued, spellings(o)...)
			}
		}
		words, files := v.operands()
		fmt.Fprintf(out, "    %s)\n        options='%s' valued=' %s ' filed=' %s ' files=%t\n        words='%s' ;;\n", v.name,
			strings.Join(all, " "), strings.Join(valued, " "), strings.Join(filed, " "), files, strings.Join(words, " "))
	}
	fmt.Fprint(out, bashTail)
}

const bashHead = `# bash completion for keepgo: source <(keepgo completion bash)
_keepgo() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local options= valued= filed= files=false words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '%s' -- "$cur")
        return
    fi
    case ${COMP_WORDS[1]} in
`

const bashTail = `    esac
    case $valued in *" $prev "*) return ;; esac
    case $filed in *" $prev "*) files=true words= cur=${cur#-} ;; esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
    *)
        if $files; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        fi ;;
    esac
}
complete -F _keepgo keepgo
`

// quote makes a word of a text for bash and zsh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// zshText takes their meaning from the signs that part a specification.
var zshText = strings.NewReplacer(`\`, `\\`, ":", `\:`, "[", `\[`, "]", `\]`)

func zshCompletion(out io.Writer) {
	fmt.Fprint(out, "#compdef keepgo\n# zsh completion for keepgo: keepgo completion zsh > a directory of $fpath/_keepgo\n_keepgo() {\n    local -a verbs\n    verbs=(\n")
	for _, v := range verbs() {
		fmt.Fprintf(out, "        %s\n", quote(v.name+":"+zshText.Replace(v.sentence)))
	}
	fmt.Fprint(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n"+
		"    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $verb in\n")
	for _, v := range verbs() {
		fmt.Fprintf(out, "    %s) _arguments", v.name)
		for _, o := range v.options() {
			spec := "[" + zshText.Replace(sentence(o)) + "]"
			if takes, file := value(o); file {
				spec += ":file:_files"
			} else if takes {
				spec += ":value: "
			}
			all := spellings(o)
			for _, s := range all {
				fmt.Fprint(out, " \\\n        "+quote("("+strings.Join(all, " ")+")"+s+spec))
			}
		}
		if words, files := v.operands(); files {
			fmt.Fprint(out, " \\\n        '*:file:_files'")
		} else if len(words) > 0 {
			fmt.Fprint(out, " \\\n        "+quote("1:word:("+strings.Join(words, " ")+")"))
		}
		fmt.Fprintln(out, " ;;")
	}
	fmt.Fprint(out, "    esac\n}\nif [ \"$funcstack[1]\" = _keepgo ]; then\n    _keepgo \"$@\"\nelse\n    compdef _keepgo keepgo\nfi\n")
}

// fishQuote makes a word of a text for fish.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

func fishCompletion(out io.Writer) {
	fmt.Fprint(out, "# fish completion for keepgo: keepgo completion fish | source\ncomplete -c keepgo -f\n")
	for _, v := range verbs() {
		fmt.Fprintf(out, "complete -c keepgo -n __fish_use_subcommand -a %s -d %s\n", v.name, fishQuote(v.sentence))
		when := "complete -c keepgo -n '__fish_seen_subcommand_from " + v.name + "'"
		for _, o := range v.options() {
			fmt.Fprint(out, when+" -l "+o.Name)
			if o.Shorthand != "" {
				fmt.Fprint(out, " -s "+o.Shorthand)
			}
			if takes, file := value(o); file {
				fmt.Fprint(out, " -r -F")
			} else if takes {
				fmt.Fprint(out, " -x")
			}
			fmt.Fprintf(out, " -d %s\n", fishQuote(sentence(o)))
		}
		if words, files := v.operands(); files {
			fmt.Fprintln(out, when+" -F")
		} else if len(words) > 0 {
			fmt.Fprintf(out, "%s -a %s\n", when, fishQuote(strings.Join(words, " ")))
		}
	}
}
