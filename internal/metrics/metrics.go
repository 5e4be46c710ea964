// Package metrics writes a status as Prometheus reads it (text exposition format
// 0.0.4), under names of keepgo's own and under those of the two exporters that
// people have for keepalived. It is pure.
package metrics

import (
	"strconv"
	"strings"

	"keepgo/internal/status"
)

// ContentType is the media type of what Text returns.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text is a status as metrics; with exporters under the exporters' names too.
func Text(s *status.Status, exporters bool) []byte {
	p := &page{}
	daemonFamilies.write(p, []*status.Status{s}, func(s *status.Status) labels { return labels{"version", s.Version} })
	instances := pointers(s.Instances)
	instanceFamilies.write(p, instances, instanceLabels)
	p.peers(instances)
	p.places(instances)
	scriptFamilies.write(p, pointers(s.Scripts), func(sc *status.Script) labels { return labels{"script", sc.Name} })
	services := pointers(s.Services)
	serviceFamilies.write(p, services, serviceLabels)
	serverFamilies.write(p, servers(services), serverLabels)
	if exporters {
		p.exporters(s)
	}
	return []byte(p.String())
}

// labels are names and values in turn.
type labels []string

// family is a metric of things of one sort.
type family[T any] struct {
	name, kind, help string
	value            func(*T) float64
}

// families are written one after the other, each with all things.
type families[T any] []family[T]

func (fs families[T]) write(p *page, things []*T, of func(*T) labels) {
	for _, f := range fs {
		if len(things) == 0 {
			return
		}
		p.head(f.name, f.kind, f.help)
		for _, t := range things {
			p.sample(f.name, of(t), f.value(t))
		}
	}
}

const (
	gauge   = "gauge"
	counter = "counter"
)

// page collects lines.
type page struct{ strings.Builder }

func (p *page) head(name, kind, help string) {
	p.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

// quoted takes their meaning from the signs that end a value.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (p *page) sample(name string, l labels, value float64) {
	p.WriteString(name)
	for i := 0; i < len(l); i += 2 {
		p.WriteString([]string{"{", ","}[min(i, 1)] + l[i] + `="` + quoted.Replace(l[i+1]) + `"`)
	}
	if len(l) > 0 {
		p.WriteByte('}')
	}
	p.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// truth is 1 for yes and 0 for no.
func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// stateNumbers are those of keepalived.
var stateNumbers = map[string]float64{"INIT": 0, "BACKUP": 1, "MASTER": 2, "FAULT": 3}

// server is a real server and the service it belongs to.
type server struct {
	*status.Server
	service string
}

func servers(services []*status.Service) (list []*server) {
	for _, s := range services {
		for i := range s.Servers {
			list = append(list, &server{&s.Servers[i], s.Name})
		}
	}
	return list
}

func instanceLabels(in *status.Instance) labels {
	return labels{"instance", in.Name, "interface", in.Interface, "vrid", strconv.Itoa(int(in.VRID))}
}

func serviceLabels(s *status.Service) labels { return labels{"service", s.Name} }

func serverLabels(s *server) labels { return labels{"service", s.service, "server", s.Name} }

// load is what was counted, nothing where the kernel tells nothing.
func load(t *status.Traffic) status.Traffic {
	if t == nil {
		return status.Traffic{}
	}
	return *t
}
