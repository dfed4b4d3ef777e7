package hosted

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
)

//go:embed assets
var assetFiles embed.FS

// assets are the static files and one hash over all of them. They share a hash
// because modules import each other by relative name: a page gets either all
// files of a build or none.
type assets struct {
	hash    string
	content map[string][]byte // by file name
}

func loadAssets() assets {
	entries, err := fs.ReadDir(assetFiles, "assets") // sorted by name
	if err != nil {
		panic("hosted: embedded assets: " + err.Error())
	}
	a := assets{content: make(map[string][]byte, len(entries))}
	sum := sha256.New()
	for _, e := range entries {
		content, err := assetFiles.ReadFile(path.Join("assets", e.Name()))
		if err != nil {
			panic("hosted: embedded assets: " + err.Error())
		}
		fmt.Fprintf(sum, "%s %d\n", e.Name(), len(content))
		sum.Write(content)
		a.content[e.Name()] = content
	}
	a.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	return a
}

const htmlType = "text/html; charset=utf-8"

// mediaType names the type of an asset. The system's own table is not asked:
// with nosniff a wrong entry there would switch the pages off.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		panic("hosted: asset of unknown type: " + name)
	}
}
