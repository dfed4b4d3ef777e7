package scenario

import (
	"encoding/xml"
	"fmt"
)

// File is a scenario file as it is reported.
type File struct {
	Name   string
	Result *Result // nil where the file has a mistake
	Err    error   // the mistake
}

// JUnit is a report of files as CI servers read it: a suite for each file, a case for each
// question.
func JUnit(files []File) ([]byte, error) {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *failure `xml:"failure"`
		Error   *failure `xml:"error"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	var all struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	for _, f := range files {
		s := suite{Name: f.Name}
		if f.Err != nil {
			told := &failure{Message: f.Err.Error(), Text: f.Err.Error()}
			s.Tests, s.Errors, s.Cases = 1, 1, []testcase{{Class: f.Name, Name: "is read", Error: told}}
			all.Suites = append(all.Suites, s)
			continue
		}
		for _, a := range f.Result.Answers {
			c := testcase{Class: f.Name, Name: fmt.Sprintf("%s (line %d)", a.Question, a.Line)}
			if a.Wrong != nil {
				c.Failure = &failure{Message: "answered otherwise", Text: a.Wrong.String()}
				s.Failures++
			}
			s.Cases = append(s.Cases, c)
		}
		s.Tests = len(s.Cases)
		all.Suites = append(all.Suites, s)
	}
	raw, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(raw, '\n')...), err
}
