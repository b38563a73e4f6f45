// What programs on pgx do: prepared by default, batches in a pipeline, custom types, a pool.
// Usage: client DSN TABLE. Prints one line for each thing done.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func batches(ctx context.Context, c *pgx.Conn) {
	batch := &pgx.Batch{}
	for n := 0; n < 30; n++ {
		batch.Queue("SELECT $1::int * 2", n)
	}
	results, sum := c.SendBatch(ctx, batch), 0
	for n := 0; n < 30; n++ {
		var got int
		must(results.QueryRow().Scan(&got))
		sum += got
	}
	must(results.Close())
	fmt.Println("batch", sum)
}

func types(ctx context.Context, c *pgx.Conn) {
	loaded, err := c.LoadTypes(ctx, []string{"status", "_status", "place", "sku"})
	must(err)
	c.TypeMap().RegisterTypes(loaded)
	var state string
	var states []string
	must(c.QueryRow(ctx, "SELECT 'new'::status, ARRAY['new', 'paid']::status[]").Scan(&state, &states))
	fmt.Println("types", state, len(states))
}

func transactions(ctx context.Context, c *pgx.Conn, table string) {
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	must(err)
	var id int64
	must(tx.QueryRow(ctx, "INSERT INTO "+table+" (note) VALUES ($1) RETURNING id", "from go").Scan(&id))
	inner, err := tx.Begin(ctx)
	must(err)
	_, err = inner.Exec(ctx, "SELECT 1 / 0")
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		must(errors.New("no error"))
	}
	must(inner.Rollback(ctx))
	changed, err := tx.Exec(ctx, "UPDATE "+table+" SET note = $2 WHERE id = $1", id, "again")
	must(err)
	must(tx.Rollback(ctx))
	fmt.Println("transaction", failure.Code, changed.RowsAffected())
}

func modes(ctx context.Context, dsn string) {
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		config, err := pgx.ParseConfig(dsn)
		must(err)
		config.DefaultQueryExecMode = mode
		c, err := pgx.ConnectConfig(ctx, config)
		must(err)
		for n := 0; n < 3; n++ {
			rows, err := c.Query(ctx, "SELECT id, total::text, at FROM orders WHERE id < $1 ORDER BY id", 11)
			must(err)
			count := 0
			for rows.Next() {
				count++
			}
			must(rows.Err())
			if count != 10 {
				must(fmt.Errorf("%d rows in mode %v", count, mode))
			}
		}
		must(c.Close(ctx))
	}
	fmt.Println("modes 5")
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, os.Args[1])
	must(err)
	batches(ctx, c)
	types(ctx, c)
	transactions(ctx, c, os.Args[2])
	must(c.Close(ctx))
	modes(ctx, os.Args[1])
	pool, err := pgxpool.New(ctx, os.Args[1])
	must(err)
	must(pool.Ping(ctx))
	pool.Close()
	fmt.Println("done")
}
