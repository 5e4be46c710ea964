package main

import (
	"io"
	"net/url"
	"path/filepath"
)

// The parts of SARIF 2.1.0 (OASIS, sections 3.13 to 3.30) that findings need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule      string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

var sarifRules = []sarifRule{
	{ruleFile, sarifText{"What the text of the configuration says."}},
	{ruleAdvice, sarifText{"What a right configuration will do and may not be meant to."}},
	{ruleHost, sarifText{"What the configuration names and this machine does not have."}},
	{rulePair, sarifText{"What differs between the two directors of a pair."}},
	{ruleRead, sarifText{"A file that cannot be read."}},
}

func (r *report) writeSARIF(out io.Writer) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "keepgo", Version: version, Rules: sarifRules}},
		ColumnKind: "utf16CodeUnits",
		Results:    []sarifResult{},
	}
	for _, f := range r.all() {
		run.Results = append(run.Results, sarifOf(f))
	}
	return encode(out, sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

// sarifOf translates a finding. The severities have SARIF's names for them.
func sarifOf(f finding) sarifResult {
	text := f.Message
	if f.Hint != "" {
		text += "; " + f.Hint
	}
	at := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{fileURI(f.File)}}}
	if f.Line > 0 {
		at.Physical.Region = &sarifRegion{f.Line, f.Column, f.EndColumn}
	}
	if f.Block != "" {
		at.Logical = []sarifLogical{{f.Block}}
	}
	result := sarifResult{Rule: f.Rule, Level: f.Severity, Message: sarifText{text}, Locations: []sarifLocation{at}}
	for i, rule := range sarifRules {
		if rule.ID == f.Rule {
			result.RuleIndex = i
		}
	}
	return result
}

// fileURI is a relative reference for a relative name, else a file URI.
func fileURI(name string) string {
	u := url.URL{Path: filepath.ToSlash(name)}
	if filepath.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}
