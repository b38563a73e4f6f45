// What JDBC programs and the tools built on it do: metadata, prepared statements, batches.
// Usage: java -cp driver.jar Jdbc.java URL USER PASSWORD TABLE. Prints one line for each thing done.

import java.sql.*;
import java.util.Properties;

public class Jdbc {
    static int rows(ResultSet found) throws SQLException {
        int n = 0;
        while (found.next()) n++;
        found.close();
        return n;
    }

    static void metadata(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        System.out.println("product " + m.getDatabaseProductName() + " " + m.getDatabaseMajorVersion());
        System.out.println("tables " + rows(m.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})));
        System.out.println("columns " + rows(m.getColumns(null, "public", "orders", "%")));
        System.out.println("keys " + rows(m.getPrimaryKeys(null, "public", "orders")));
        System.out.println("imported " + rows(m.getImportedKeys(null, "public", "orders")));
        rows(m.getExportedKeys(null, "public", "customers"));
        rows(m.getCrossReference(null, "public", "customers", null, "public", "orders"));
        System.out.println("indexes " + rows(m.getIndexInfo(null, "public", "orders", false, true)));
        rows(m.getTypeInfo());
        rows(m.getSchemas());
        rows(m.getSchemas(null, "st%"));
        rows(m.getCatalogs());
        rows(m.getTableTypes());
        rows(m.getProcedures(null, null, "%"));
        rows(m.getProcedureColumns(null, "stock", "%", "%"));
        rows(m.getFunctions(null, "stock", "%"));
        rows(m.getFunctionColumns(null, "stock", "%", "%"));
        rows(m.getUDTs(null, "public", "%", null));
        rows(m.getTablePrivileges(null, "public", "%"));
        rows(m.getColumnPrivileges(null, "public", "orders", "%"));
        rows(m.getBestRowIdentifier(null, "public", "orders", DatabaseMetaData.bestRowSession, true));
        rows(m.getVersionColumns(null, "public", "orders"));
        rows(m.getClientInfoProperties());
        m.getSQLKeywords();
        m.getMaxColumnNameLength();
        m.getUserName();
        m.getDefaultTransactionIsolation();
    }

    static void reading(Connection c) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("SELECT * FROM orders WHERE id > ? AND state = ?::status")) {
            for (int i = 0; i < 8; i++) {
                s.setLong(1, i);
                s.setString(2, "new");
                ResultSet found = s.executeQuery();
                ResultSetMetaData m = found.getMetaData();
                for (int n = 1; n <= m.getColumnCount(); n++) {
                    m.isAutoIncrement(n);
                    m.isNullable(n);
                    m.getColumnTypeName(n);
                    m.getTableName(n);
                }
                rows(found);
            }
        }
        c.setReadOnly(true);
        c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(7);
            System.out.println("portions " + rows(s.executeQuery("SELECT * FROM orders")));
        }
        c.commit();
        c.setAutoCommit(true);
        c.setReadOnly(false);
        c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        c.setClientInfo("ApplicationName", "reports");
        c.setSchema("public");
        c.getSchema();
        c.isValid(5);
        c.setNetworkTimeout(Runnable::run, 60000);
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(30);
            rows(s.executeQuery("SELECT ARRAY['new','paid']::status[], home, now()::timestamp FROM customers"));
            ResultSet found = s.executeQuery("SELECT ARRAY['new','paid']::status[], home FROM customers");
            found.next();
            Object[] values = (Object[]) found.getArray(1).getArray();
            System.out.println("array " + values.length + " " + found.getArray(1).getBaseTypeName());
            found.getObject(2);
        }
    }

    static void writing(Connection c, String table) throws SQLException {
        c.setAutoCommit(false);
        String text = "INSERT INTO " + table + " (note) VALUES (?)";
        try (PreparedStatement s = c.prepareStatement(text, Statement.RETURN_GENERATED_KEYS)) {
            for (int i = 0; i < 500; i++) {
                s.setString(1, "row " + i);
                s.addBatch();
            }
            System.out.println("batch " + s.executeBatch().length);
            System.out.println("generated " + rows(s.getGeneratedKeys()));
        }
        Savepoint before = c.setSavepoint();
        try (Statement s = c.createStatement()) {
            s.executeQuery("SELECT 1 / 0");
        } catch (SQLException expected) {
            System.out.println("state " + expected.getSQLState());
            c.rollback(before);
        }
        try (Statement s = c.createStatement()) {
            System.out.println("changed " + s.executeUpdate("UPDATE " + table + " SET note = 'x' WHERE note LIKE 'row 1_'"));
        }
        c.rollback();
        c.setAutoCommit(true);
    }

    public static void main(String[] given) throws Exception {
        Properties how = new Properties();
        how.setProperty("user", given[1]);
        how.setProperty("password", given[2]);
        for (String mode : new String[] {"extended", "simple", "extendedForPrepared"}) {
            how.setProperty("preferQueryMode", mode);
            how.setProperty("reWriteBatchedInserts", mode.equals("simple") ? "false" : "true");
            try (Connection c = DriverManager.getConnection(given[0], how)) {
                if (mode.equals("extended")) metadata(c);
                reading(c);
                writing(c, given[3]);
            }
        }
        System.out.println("done");
    }
}
