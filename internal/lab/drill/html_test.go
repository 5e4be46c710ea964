package drill

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestHTMLAsParsed reads the page as a browser does.
func TestHTMLAsParsed(t *testing.T) {
	first := sample()
	first[0].Scenes[0].Spans = append(first[0].Scenes[0].Spans, Span{"lb1", 3190, 9000}) // after the settled end
	first[0].Scenes[0].Stages.AnswerMS = 9000
	second := sample()[0]
	second.Daemon, second.Foreign, second.Scenes = "other", true, second.Scenes[:1]
	for _, reports := range [][]Report{first, append(sample(), second)} {
		checkPage(t, text(t, WriteHTML, reports), reports)
	}
}

// TestHTMLInBrowser has a browser read it, where there is one.
func TestHTMLInBrowser(t *testing.T) {
	var browser string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("no browser is installed: TestHTMLAsParsed reads the page as one does")
	}
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte(text(t, WriteHTML, sample())), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "file://"+page).Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	checkPage(t, string(out), sample())
}

// checkPage looks at a page's tree: every scene has its row and its time line,
// which nothing leaves, and every class has a rule.
func checkPage(t *testing.T, page string, reports []Report) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all(root, "h1")); n != 1 {
		t.Errorf("%d headings", n)
	}
	played := 0
	for _, r := range reports {
		for _, s := range r.Scenes {
			if !s.Skipped {
				played++
			}
		}
	}
	lines := all(root, "svg")
	if len(lines) != played || len(all(root, "section")) != played {
		t.Errorf("%d time lines in %d sections of %d scenes", len(lines), len(all(root, "section")), played)
	}
	table := all(root, "table")[0]
	heads := len(all(table, "th"))
	rows := all(all(table, "tbody")[0], "tr")
	if len(rows) != len(Rows(reports)) {
		t.Errorf("%d rows of %d", len(rows), len(Rows(reports)))
	}
	for _, row := range rows {
		if n := len(all(row, "td")); n != heads {
			t.Errorf("a row of %d cells under %d heads", n, heads)
		}
	}
	for _, line := range lines {
		checkLine(t, line)
	}
	style := content(all(root, "style")[0])
	for n := range root.Descendants() {
		if c := attr(n, "class"); c != "" && !strings.Contains(style, "."+c) {
			t.Errorf("class %q has no rule", c)
		}
	}
}

// checkLine: what is drawn lies within the view box, and says what it is.
func checkLine(t *testing.T, svg *html.Node) {
	t.Helper()
	if attr(svg, "aria-label") == "" {
		t.Error("a time line without a label")
	}
	for _, mark := range append(all(svg, "rect"), all(svg, "line")...) {
		x, width := number(t, mark, "x")+number(t, mark, "x1"), number(t, mark, "width")
		y, height := number(t, mark, "y")+number(t, mark, "y1"), number(t, mark, "height")
		if x < 0 || x+width > lineWidth+1 || y < 0 || y+height > 42 {
			t.Errorf("%s at %v,%v of %vx%v leaves the time line", mark.Data, x, y, width, height)
		}
		if attr(mark, "class") != "lane" && content(mark) == "" {
			t.Errorf("a %s without a title", mark.Data)
		}
	}
}

func all(root *html.Node, tag string) (list []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// number is an attribute that may be missing.
func number(t *testing.T, n *html.Node, key string) float64 {
	t.Helper()
	text := attr(n, key)
	if text == "" {
		return 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Errorf("%s %s: %v", n.Data, key, err)
	}
	return f
}

func content(n *html.Node) string {
	var b bytes.Buffer
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}
