// An OCI registry in memory for tests: open to all, behind a user's name and
// password, or behind tokens that such a user (or, without one, everybody) is
// given for one repository.
package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

const service = "trueup-registry"

var repositoryPath = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags|referrers)/`)

// user is who may come in; no name means everybody.
type user struct{ name, password string }

func (u user) knocks(request *http.Request) bool {
	if u.name == "" {
		return true
	}
	name, password, _ := request.BasicAuth()
	sameName := subtle.ConstantTimeCompare([]byte(name), []byte(u.name))
	samePassword := subtle.ConstantTimeCompare([]byte(password), []byte(u.password))
	return sameName&samePassword == 1
}

func refuse(writer http.ResponseWriter, challenge string) {
	writer.Header().Set("WWW-Authenticate", challenge)
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(http.StatusUnauthorized)
	io.WriteString(writer, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
}

func behindPassword(who user, inner http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if !who.knocks(request) {
			refuse(writer, fmt.Sprintf("Basic realm=%q", service))
			return
		}
		inner.ServeHTTP(writer, request)
	})
}

// tokens speaks the token protocol that the registries of the big hosts speak.
type tokens struct {
	who   user
	inner http.Handler

	lock   sync.Mutex
	scopes map[string][]string
}

// wanted is the scope that a request needs: none for the ping of the API.
func wanted(request *http.Request) string {
	found := repositoryPath.FindStringSubmatch(request.URL.Path)
	if found == nil {
		return ""
	}
	action := "push,pull"
	if request.Method == http.MethodGet || request.Method == http.MethodHead {
		action = "pull"
	}
	return fmt.Sprintf("repository:%s:%s", found[1], action)
}

// covers says whether the scope granted holds every action of the scope wanted.
func covers(granted, wanted string) bool {
	if wanted == "" {
		return true
	}
	grantedOn, grantedActions := split(granted)
	wantedOn, wantedActions := split(wanted)
	for _, action := range wantedActions {
		if !slices.Contains(grantedActions, action) {
			return false
		}
	}
	return grantedOn == wantedOn
}

func split(scope string) (string, []string) {
	at := strings.LastIndex(scope, ":")
	if at < 0 {
		return scope, nil
	}
	return scope[:at], strings.Split(scope[at+1:], ",")
}

func (t *tokens) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/token" {
		t.grant(writer, request)
		return
	}
	scope := wanted(request)
	if !t.admits(request, scope) {
		challenge := fmt.Sprintf("Bearer realm=%q,service=%q", "http://"+request.Host+"/token", service)
		if scope != "" {
			challenge += fmt.Sprintf(",scope=%q", scope)
		}
		refuse(writer, challenge)
		return
	}
	t.inner.ServeHTTP(writer, request)
}

func (t *tokens) admits(request *http.Request, scope string) bool {
	token, isBearer := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	t.lock.Lock()
	defer t.lock.Unlock()
	granted, known := t.scopes[token]
	if !isBearer || !known {
		return false
	}
	return scope == "" || slices.ContainsFunc(granted, func(one string) bool { return covers(one, scope) })
}

func (t *tokens) grant(writer http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	if !t.who.knocks(request) || query.Get("service") != service {
		refuse(writer, fmt.Sprintf("Basic realm=%q", service))
		return
	}
	var scopes []string
	for _, scope := range query["scope"] {
		scopes = append(scopes, strings.Fields(scope)...)
	}
	token := rand.Text()
	t.lock.Lock()
	t.scopes[token] = scopes
	t.lock.Unlock()
	writer.Header().Set("Content-Type", "application/json")
	json.NewEncoder(writer).Encode(map[string]any{"token": token, "expires_in": 300})
}

// told says of each request what was asked and the status, before it is
// answered: whoever has the answer finds the line.
type told struct {
	http.ResponseWriter
	request *http.Request
	done    bool
}

func (t *told) WriteHeader(status int) {
	t.tell(status)
	t.ResponseWriter.WriteHeader(status)
}

func (t *told) Write(data []byte) (int, error) {
	t.tell(http.StatusOK)
	return t.ResponseWriter.Write(data)
}

func (t *told) tell(status int) {
	if !t.done {
		t.done = true
		fmt.Printf("%s %s %d\n", t.request.Method, t.request.URL.Path, status)
	}
}

func logged(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		answer := &told{ResponseWriter: writer, request: request}
		inner.ServeHTTP(answer, request)
		answer.tell(http.StatusOK)
	})
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on; the first line of output says where")
	auth := flag.String("auth", "none", "none, basic or token; the user is REGISTRY_USERNAME with REGISTRY_PASSWORD")
	flag.Parse()

	who := user{os.Getenv("REGISTRY_USERNAME"), os.Getenv("REGISTRY_PASSWORD")}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	switch *auth {
	case "none":
	case "basic":
		handler = behindPassword(who, handler)
	case "token":
		handler = &tokens{who: who, inner: handler, scopes: map[string][]string{}}
	default:
		log.Fatalf("-auth is %s; it may be none, basic or token", *auth)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, logged(handler)))
}
