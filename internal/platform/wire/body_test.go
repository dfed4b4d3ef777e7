package wire_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/wire"
)

type person struct {
	Email    string  `json:"email"              doc:"Where mail goes."`
	Password string  `json:"password"           doc:"To sign in."`
	Nickname *string `json:"nickname,omitempty" doc:"What friends say."`
	Age      int     `json:"age,omitempty"      doc:"In years."`
}

// Rules implements text.Ruled.
func (p *person) Rules(f *text.Fields) {
	f.Field("email", &p.Email, text.EmailRule)
	f.Field("password", &p.Password, text.PortalPasswordRule)
	f.Optional("nickname", p.Nickname, text.NameRule)
}

type people struct {
	People wire.Rows[person] `json:"people" doc:"Rows." maxItems:"200"`
}

type team struct {
	Members []person `json:"members"         doc:"Who is in it." maxItems:"3"`
	Motto   *string  `json:"motto,omitempty" doc:"What they say." nullable:"false"`
}

// Rules implements text.Ruled.
func (b *team) Rules(f *text.Fields) {
	f.Check("members", len(b.Members) >= 1 && len(b.Members) <= 3, "must hold 1 to 3 members")
	for i := range b.Members {
		f.Each("members", i, &b.Members[i])
	}
	f.Optional("motto", b.Motto, text.NameRule)
}

var errTaken = fault.New(fault.Conflict, "people.taken", "Taken")

func peopleRouter() *wire.Router {
	rt := newRouter(nil)
	g := rt.Public("/people", thingTag)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, ID: "createPerson", Summary: "Create", About: "Makes one.", Status: http.StatusCreated,
	}, func(_ context.Context, _ *wire.Call, _ principal.Actor, in person) (wire.Data[string], error) {
		return wire.Of(in.Email, nil)
	})
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/team", ID: "createTeam", Summary: "Create", About: "Makes one.",
		Status: http.StatusCreated,
	}, func(_ context.Context, _ *wire.Call, _ principal.Actor, in team) (wire.Data[string], error) {
		return wire.Of(in.Members[0].Email, nil)
	})
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk", ID: "createPeople", Summary: "Create many", About: "Makes many.",
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: []*fault.Error{errTaken},
	}, func(_ context.Context, c *wire.Call, _ principal.Actor, in people) (wire.Bulk[string], error) {
		return wire.EachRow(c, in.People, func(p person) (string, error) {
			if strings.HasPrefix(p.Email, "taken") {
				return "", errTaken
			}
			return p.Email, nil
		})
	})
	return rt
}

// TestProblemsOfAList: a row that is wrong says nothing of the list, and null is no value
// of a field that can't be cleared.
func TestProblemsOfAList(t *testing.T) {
	t.Parallel()
	const good = `{"email":"a@b.test","password":"Correct-Horse-7"}`
	for body, want := range map[string]string{
		`{"members":[` + good + `,{"email":"c@d.test"}]}`: `["members[1].password is required"]`,
		`{"members":[],"motto":null}`: `["members must hold 1 to 3 members",` +
			`"motto must not be null"]`,
		`{"members":[7,` + good + `]}`:                              `["members[0] must be an object"]`,
		`{"members":null}`:                                          `["members must be an array"]`,
		`{"members":[{"email":"c@d.test","password":"x","a":1}]}`:   `["property members[0].a is not allowed"]`,
		`{"members":[{"email":"c","password":"Correct-Horse-7"}]}`:  `["members[0].email must be an e-mail address"]`,
		`{"members":[` + good[:len(good)-1] + `,"age":null}]}`:      `["members[0].age must not be null"]`,
		`{"members":[` + good[:len(good)-1] + `,"nickname":""}]}`:   `["members[0].nickname must be 1 to 100 characters"]`,
		`{"members":[{"email":null,"password":"Correct-Horse-7"}]}`: `["members[0].email must be a string"]`,
	} {
		a := ask(t, peopleRouter(), http.MethodPost, "/people/team", body)
		if a.Code != 400 || !strings.Contains(a.Body.String(), `"details":`+want) {
			t.Errorf("%s: %d %s, want %s", body, a.Code, a.Body, want)
		}
	}
	ours := `{"members":[` + good + `],"motto":"Onward"}`
	if a := ask(t, peopleRouter(), http.MethodPost, "/people/team", ours); a.Code != 201 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// TestEveryProblemIsTold: types and values, in one answer, sorted, a sentence each.
func TestEveryProblemIsTold(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`:      `["email is required","password is required"]`,
		`{"a":1}`: `["email is required","password is required","property a is not allowed"]`,
		`{"email":7,"password":"short","age":"old"}`: `["age must be a whole number","email must be a string",` +
			`"password must be 8 to 128 characters, without control characters"]`,
		`{"email":"x","password":"Correct-Horse-7","nickname":""}`: `["email must be an e-mail address",` +
			`"nickname must be 1 to 100 characters"]`,
		`{"Email":"a@b.test","password":"Correct-Horse-7"}`: `["email is required","property Email is not allowed"]`,
		`{"email":"a@b.test","email":"c@d.test"}`:           `["property email must not be given twice"]`,
		`[]`:                   `["body must be an object"]`,
		`{"email":`:            `["body must be complete JSON"]`,
		"{\"email\":\"\xff\"}": `["body must be valid JSON in UTF-8"]`,
	} {
		a := ask(t, peopleRouter(), http.MethodPost, "/people", body)
		if a.Code != 400 || !strings.Contains(a.Body.String(), `"details":`+want) {
			t.Errorf("%s: %d %s, want %s", body, a.Code, a.Body, want)
		}
	}
	a := ask(t, peopleRouter(), http.MethodPost, "/people", `{"email":" A@B.Test ","password":"Correct-Horse-7"}`)
	if a.Code != 201 || a.Body.String() != `{"data":"a@b.test"}` {
		t.Errorf("normalised: %d %s", a.Code, a.Body)
	}
}

// TestNumbersBeyondFloats: a free value keeps any number of JSON, digit by digit, and a
// number of ours is told to be too large.
func TestNumbersBeyondFloats(t *testing.T) {
	t.Parallel()
	type free struct {
		Any jsontext.Value `json:"any,omitempty" doc:"Anything."`
		Age int            `json:"age,omitempty" doc:"In years."`
	}
	rt := newRouter(nil)
	wire.Handle(rt.Public("/free", thingTag), wire.Route{
		Method: http.MethodPost, ID: "free", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(_ context.Context, _ *wire.Call, _ principal.Actor, in free) (wire.Data[jsontext.Value], error) {
		return wire.Of(in.Any, nil)
	})
	numbers := []string{"1e400", "-1e400", "9007199254740993", "1e-400", "0.1000", "-0", strings.Repeat("9", 400)}
	for _, number := range numbers {
		for _, value := range []string{number, `{"a":[` + number + `,"x",null,true]}`} {
			a := ask(t, rt, http.MethodPost, "/free", `{"any":`+value+`}`)
			if a.Code != 200 || a.Body.String() != `{"data":`+value+`}` {
				t.Errorf("%s: %d %s", value, a.Code, a.Body)
			}
		}
	}
	a := ask(t, rt, http.MethodPost, "/free", `{"age":1e400}`)
	if a.Code != 400 || !strings.Contains(a.Body.String(), `"details":["age `) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	a = ask(t, rt, http.MethodPost, "/free", `{"any":1e400,"x":1}`)
	if a.Code != 400 || !strings.Contains(a.Body.String(), `["property x is not allowed"]`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// TestBulkRowsFailAlone, and are told again without their secrets.
func TestBulkRowsFailAlone(t *testing.T) {
	t.Parallel()
	body := `{"people":[{"email":"a@b.test","password":"Correct-Horse-7"},` +
		`{"email":"taken@b.test","password":"Correct-Horse-7","x":1},` +
		`{"email":"taken@b.test","password":"Correct-Horse-7"},7]}`
	const want = `{"summary":{"total":4,"succeeded":1,"failed":3},"results":[` +
		`{"index":0,"status":"success","code":201,"data":"a@b.test"},` +
		`{"index":1,"status":"error","code":400,"input":{"email":"taken@b.test"},"error":{"code":"validation",` +
		`"message":"The request breaks one or more rules","details":["property x is not allowed"]}},` +
		`{"index":2,"status":"error","code":409,"input":{"email":"taken@b.test"},` +
		`"error":{"code":"people.taken","message":"Taken"}},` +
		`{"index":3,"status":"error","code":400,"input":7,"error":{"code":"validation",` +
		`"message":"The request breaks one or more rules","details":["body must be an object"]}}]}`
	if a := ask(t, peopleRouter(), http.MethodPost, "/people/bulk", body); a.Code != 207 || a.Body.String() != want {
		t.Errorf("%d %s\nwant %s", a.Code, a.Body, want)
	}
	if a := ask(t, peopleRouter(), http.MethodPost, "/people/bulk", `{"people":[]}`); a.Code != 200 {
		t.Errorf("no rows: %d %s", a.Code, a.Body)
	}
}

// TestIdInBody: what has the right type and is not the thing is told by its name.
func TestIdInBody(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	type pointer struct {
		Thing id.ID `json:"thing" doc:"Which."`
	}
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodPost, Path: "/point", ID: "point", Summary: "X", About: "X.", Status: http.StatusNoContent,
	}, func(context.Context, *wire.Call, principal.Actor, pointer) (wire.Empty, error) {
		return wire.Empty{}, nil
	})
	if a := ask(t, rt, http.MethodPost, "/point", `{"thing":"`+aThing+`"}`); a.Code != 204 {
		t.Errorf("an id: %d %s", a.Code, a.Body)
	}
	a := ask(t, rt, http.MethodPost, "/point", `{"thing":"x"}`)
	if a.Code != 400 || !strings.Contains(a.Body.String(), `["thing is not valid"]`) {
		t.Errorf("no id: %d %s", a.Code, a.Body)
	}
}

// TestSizes: an anonymous body is small, whatever the route.
func TestSizes(t *testing.T) {
	t.Parallel()
	a := ask(t, peopleRouter(), http.MethodPost, "/people/bulk", `{"people":[`+strings.Repeat(" ", 16<<10)+`]}`)
	if a.Code != 413 || !strings.Contains(a.Body.String(), `"code":null`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// TestDocumentTellsTheRules: what the rules of a body refuse stands in its schema,
// and a bulk body shows its rows.
func TestDocumentTellsTheRules(t *testing.T) {
	t.Parallel()
	raw, err := peopleRouter().Document(wire.About{Version: "1", ServerURL: "https://canopy.test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{
		`"format":"email"`, `"maxLength":254`, `"format":"password"`, `"minLength":8`, `"maxLength":128`,
		`"items":{"$ref":"#/components/schemas/Wire_testPerson"}`,
		`"example":{"people":[{"age":1,"email":"dana@acme.example"`,
	} {
		if !strings.Contains(string(raw), piece) {
			t.Errorf("the document has no %s", piece)
		}
	}
}
