package drill

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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

// browsers are those that a page can be looked at with, and how they are asked for
// a picture of it.
var browsers = []struct {
	names   []string
	picture func(dir string) []string
	tree    []string // asks for the tree; nil where it cannot be had
}{
	{[]string{"chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"}, func(dir string) []string {
		return []string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,1400", "--screenshot=" + dir + "/page.png"}
	}, []string{"--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"}},
	{[]string{"firefox-esr", "firefox"}, func(dir string) []string {
		return []string{"--headless", "--no-remote", "--profile", dir, "--window-size=1000,1400", "--screenshot", dir + "/page.png"}
	}, nil},
}

// browserTime is how long a browser may take to start on a busy machine.
const browserTime = 2 * time.Minute

// TestHTMLInBrowser looks at the page in every kind of browser that is installed:
// at the picture, where the time lines are drawn, and at the tree where one tells
// it.
func TestHTMLInBrowser(t *testing.T) {
	seen := false
	for _, b := range browsers {
		for _, name := range b.names {
			path, err := exec.LookPath(name)
			if err != nil {
				continue
			}
			seen = true
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				t.Setenv("HOME", dir)
				page := filepath.Join(dir, "page.html")
				if err := os.WriteFile(page, []byte(text(t, WriteHTML, sample())), 0o644); err != nil {
					t.Fatal(err)
				}
				browse(t, path, append(b.picture(dir), "file://"+page)...)
				checkPicture(t, dir+"/page.png")
				if b.tree != nil {
					checkPage(t, browse(t, path, append(b.tree, "file://"+page)...), sample())
				}
			})
			break
		}
	}
	if !seen {
		t.Skip("no browser is installed (apt-get install firefox-esr, or chromium): TestHTMLAsParsed reads the page as one does")
	}
}

// browse runs a browser and returns what it prints.
func browse(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(out)
}

// stripe is what a row of pixels has of a colour.
type stripe struct{ y, left, right int }

// widest is the first of the rows in which pixels of a colour are farthest apart.
func widest(m image.Image, want color.RGBA) (w stripe) {
	near := func(a uint32, b uint8) bool { return max(int(a>>8), int(b))-min(int(a>>8), int(b)) <= 4 }
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		row := stripe{y: y, left: -1}
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			if r, g, b, _ := m.At(x, y).RGBA(); !near(r, want.R) || !near(g, want.G) || !near(b, want.B) {
				continue
			}
			if row.left < 0 {
				row.left = x
			}
			row.right = x
		}
		if row.left >= 0 && row.right-row.left > w.right-w.left {
			w = row
		}
	}
	return w
}

// checkPicture looks at the time line of the first scene of the sample: lb2 has
// the address at the end of it, and the client gets no answer for most of it.
func checkPicture(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	lb2, silence := widest(m, color.RGBA{0xe8, 0x91, 0x2d, 0}), widest(m, color.RGBA{0xd1, 0x34, 0x3e, 0})
	width := lb2.right - silence.left // of the whole scene, which took 3200 ms
	is := func(x, ms int) bool {
		at := silence.left + ms*width/3200
		return max(x, at)-min(x, at) <= 4
	}
	if width < 500 || !is(lb2.left, 3002) || !is(silence.right, 3050) || lb2.y >= silence.y {
		t.Errorf("lb2 is drawn at %+v, the silence at %+v", lb2, silence)
	}
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
