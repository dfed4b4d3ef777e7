package servertest

import "canopy.dev/canopy/internal/platform/database"

// Found are the tables and columns of the store that hold a text.
func (s *Server) Found(text string) (where []string) {
	s.t.Helper()
	ctx, pool := s.t.Context(), s.DB.Pool()
	query := `SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
		WHERE m.type = 'table' AND p.type = 'TEXT'`
	if s.DB.Engine == database.Postgres {
		query = `SELECT table_name, column_name FROM information_schema.columns
			WHERE table_schema = 'public' AND data_type = 'text'`
	}
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	type column struct{ table, name string }
	var all []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.table, &c.name); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, c)
	}
	if rows.Err() != nil || len(all) < 50 {
		s.t.Fatal("not all columns were read", rows.Err())
	}
	for _, c := range all {
		var n int
		err := pool.QueryRowContext(ctx, `SELECT count(*) FROM `+c.table+` WHERE `+c.name+` LIKE $1`, "%"+text+"%").Scan(&n)
		if err != nil {
			s.t.Fatal(err)
		}
		if n > 0 {
			where = append(where, c.table+"."+c.name)
		}
	}
	return where
}
