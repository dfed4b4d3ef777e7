package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// benchExports makes files of a tenth of an Account's log and of all of it, in each format, and
// fetches them: how fast, and what the server takes for it. All is on the surface that is asked.
func benchExports(ctx context.Context, o options, engine database.Engine) error {
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	l, err := i.planted(ctx, o.rows-1000) // what the start and the calls leave is exported, too
	if err != nil {
		return err
	}
	for _, format := range []string{"csv", "ndjson"} {
		// Each format has a server of its own, for its peak.
		if _, err := i.start(ctx); err != nil {
			return err
		}
		if err := i.signIn(ctx); err != nil {
			return err
		}
		for _, part := range []time.Duration{10, 1} {
			if err := i.export(ctx, format, l.to.Add(-l.to.Sub(l.from)/part)); err != nil {
				return err
			}
		}
		i.stop()
	}
	return nil
}

// planted is a log of rows on both surfaces.
func (i *instance) planted(ctx context.Context, rows int) (l logged, err error) {
	db, err := i.open(ctx)
	if err != nil {
		return l, err
	}
	defer db.Close()
	var account id.ID
	if err := db.Pool().QueryRowContext(ctx, `SELECT id FROM account`).Scan(&account); err != nil {
		return l, err
	}
	if l, err = plantLog(ctx, db, account, rows, bothSurfaces); err != nil {
		return l, err
	}
	if engine := db.Engine; engine == database.Postgres {
		_, err = db.Pool().ExecContext(database.Long(ctx), "VACUUM ANALYZE audit_event, audit_index")
	}
	return l, err
}

// exported is a job, as it is answered.
type exported struct {
	Data struct {
		ID       string `json:"id"`
		Status   string `json:"status"`
		RowCount int    `json:"row_count"`
		Error    string `json:"error"`
		Link     string `json:"download_url"`
	} `json:"data"`
}

func (i *instance) job(ctx context.Context, method, path, body string) (j exported, err error) {
	_, raw, err := i.call(ctx, method, path, body)
	if err != nil {
		return j, err
	}
	if err = json.Unmarshal(raw, &j); err == nil && (j.Data.ID == "" || j.Data.Error != "") {
		err = fmt.Errorf("%s %s answers %s", method, path, raw)
	}
	return j, err
}

// export makes and fetches one file.
func (i *instance) export(ctx context.Context, format string, from time.Time) error {
	path := i.account("/audit-log/admin/export")
	began := time.Now()
	j, err := i.job(ctx, http.MethodPost, path, fmt.Sprintf(`{"format":%q,"from":%q}`, format,
		from.Format(time.RFC3339)))
	for err == nil && j.Data.Status != "completed" {
		time.Sleep(20 * time.Millisecond)
		j, err = i.job(ctx, http.MethodGet, path+"/"+j.Data.ID, "")
	}
	if err != nil {
		return err
	}
	made := time.Since(began)
	peak, err := i.memory("VmHWM:")
	if err != nil {
		return err
	}
	fmt.Printf("  %-7s %8d rows: made in %6.2f s, %6.0f rows/s, peak %3.0f MB", format, j.Data.RowCount,
		made.Seconds(), float64(j.Data.RowCount)/made.Seconds(), float64(peak)/1e6)
	began = time.Now()
	lines, bytes, err := i.fetch(ctx, j.Data.Link)
	if err != nil {
		return err
	}
	if format == "csv" {
		lines-- // of names
	}
	if lines != j.Data.RowCount {
		return fmt.Errorf("the file has %d rows", lines)
	}
	took := time.Since(began)
	if peak, err = i.memory("VmHWM:"); err != nil {
		return err
	}
	fmt.Printf("; %4.0f MB fetched in %5.2f s, peak %3.0f MB\n", float64(bytes)/1e6, took.Seconds(), float64(peak)/1e6)
	return i.must(ctx, http.StatusNoContent, http.MethodDelete, path+"/"+j.Data.ID, "")
}

// fetch reads a file, and tells how many lines and bytes it has.
func (i *instance) fetch(ctx context.Context, link string) (lines int, bytes int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, http.NoBody)
	if err != nil {
		return 0, 0, err
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	in := bufio.NewReaderSize(res.Body, 1<<16)
	for {
		piece, err := in.ReadSlice('\n')
		bytes += int64(len(piece))
		switch {
		case errors.Is(err, io.EOF) && bytes == res.ContentLength:
			return lines, bytes, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return lines, bytes, err
		default:
			lines++
		}
	}
}
