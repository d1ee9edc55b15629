// Checks a deadletter log with golang.org/x/mod's verifiers and nothing of deadletter's: the checkpoint's signature, the
// whole tile tree rebuilt from the entries, an inclusion proof of every entry, consistency with checkpoints saved earlier,
// and tlog-proof files. Prints one line and exits 0, or says what is false and exits 1.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run verify.go LOG VKEY [-old CHECKPOINT]... [-proof FILE LEAF]...
//
// LOG is an address such as http://127.0.0.1:5000/log, or a folder made by deadletter log export.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func fail(format string, args ...any) {
	fmt.Printf("FALSE "+format+"\n", args...)
	os.Exit(1)
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fetch(base, path string) []byte {
	if !strings.HasPrefix(base, "http") {
		data, err := os.ReadFile(filepath.Join(base, path))
		must(err, path)
		return data
	}
	response, err := http.Get(base + "/" + path)
	must(err, path)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	must(err, path)
	if response.StatusCode != 200 {
		fail("%s: status %d", path, response.StatusCode)
	}
	return data
}

// The tree that a signed checkpoint speaks of.
func open(text []byte, vkey, what string) tlog.Tree {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	must(err, "verifier key")
	signed, err := note.Open(text, note.VerifierList(verifier))
	must(err, what)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("%s: not a checkpoint of %s", what, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, what)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err, what)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize || len(root) != tlog.HashSize {
		fail("%s: its root is not a hash", what)
	}
	return tree
}

// x/mod names tiles by their height, tlog-tiles does not.
func pathOf(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// Tiles as somebody serves them, for x/mod's own reader, which checks each against the tree.
type tiles struct{ base string }

func (t tiles) Height() int                         { return height }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		found = append(found, fetch(t.base, pathOf(tile)))
	}
	return found, nil
}

func entriesOf(base string, size int64) [][]byte {
	var entries [][]byte
	for start := int64(0); start < size; start += 256 {
		width := min(size-start, 256)
		path := strings.Replace(pathOf(tlog.Tile{H: height, L: 0, N: start / 256, W: int(width)}), "tile/0/", "tile/entries/", 1)
		bundle := fetch(base, path)
		for len(bundle) > 0 {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("%s: ends inside an entry", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bundle[2:end])
			bundle = bundle[end:]
		}
		if int64(len(entries)) != start+width {
			fail("%s: does not hold %d entries", path, width)
		}
	}
	return entries
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func checkProofFile(proofPath, leafPath, vkey string) {
	text, err := os.ReadFile(proofPath)
	must(err, proofPath)
	leaf, err := os.ReadFile(leafPath)
	must(err, leafPath)
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("%s: not a tlog-proof", proofPath)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err, proofPath)
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		must(err, proofPath)
		proof = append(proof, hash)
	}
	tree := open([]byte(checkpoint), vkey, proofPath)
	must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaf)), proofPath)
}

func main() {
	base, vkey := strings.TrimSuffix(os.Args[1], "/"), os.Args[2]
	tree := open(fetch(base, "checkpoint"), vkey, "checkpoint")

	// Everything the tree is made of, from the entries alone.
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	entries := entriesOf(base, tree.N)
	for index, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(index), entry, reader)
		must(err, "entry")
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	must(err, "tree")
	if root != tree.Hash {
		fail("the entries make another root than was signed")
	}

	tileCount := 0
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		// Some versions of x/mod also list the narrower tiles of smaller trees.
		if tile.W < 1<<height && int64(tile.W) != tree.N>>uint(height*tile.L)-tile.N<<height {
			continue
		}
		want, err := tlog.ReadTileData(tile, reader)
		must(err, "tile")
		if !bytes.Equal(fetch(base, pathOf(tile)), want) {
			fail("%s is not what the entries make", pathOf(tile))
		}
		tileCount++
	}

	served := tlog.TileHashReader(tree, tiles{base})
	step := 1 + tree.N/500
	for index := int64(0); index < tree.N; index += step {
		proof, err := tlog.ProveRecord(tree.N, index, served)
		must(err, "inclusion proof")
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index])), "inclusion")
	}

	olds := 0
	for at := 3; at < len(os.Args); at++ {
		switch os.Args[at] {
		case "-old":
			text, err := os.ReadFile(os.Args[at+1])
			must(err, os.Args[at+1])
			old := open(text, vkey, os.Args[at+1])
			if old.N > tree.N {
				fail("%s: the log had %d entries and has %d", os.Args[at+1], old.N, tree.N)
			}
			if old.N > 0 {
				proof, err := tlog.ProveTree(tree.N, old.N, served)
				must(err, "consistency proof")
				must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), os.Args[at+1])
			}
			olds++
			at++
		case "-proof":
			checkProofFile(os.Args[at+1], os.Args[at+2], vkey)
			at += 2
		}
	}
	fmt.Printf("TRUE %d entries, %d tiles, consistent with %d checkpoints\n", tree.N, tileCount, olds)
}
