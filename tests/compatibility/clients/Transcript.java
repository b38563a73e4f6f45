// A short talk of the JDBC driver with a server, of which a test keeps the bytes.
// Arguments: the URL, the user, the password.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.PGConnection;

public final class Transcript {
    public static void main(String[] args) throws Exception {
        try (Connection talk = DriverManager.getConnection(args[0], args[1], args[2])) {
            try (Statement plain = talk.createStatement()) {
                plain.execute("create temp table fruit (id int primary key, name text)");
            }
            ((PGConnection) talk).getCopyAPI()
                .copyIn("copy fruit from stdin", new StringReader("1\tapple\n2\tpear\n"));
            try (PreparedStatement one = talk.prepareStatement("select name from fruit where id = ?")) {
                for (int round = 0; round < 8; round++) { // a named statement from the fifth on
                    one.setInt(1, 1 + round % 2);
                    one.executeQuery().close();
                }
            }
            talk.setAutoCommit(false);
            try (PreparedStatement many = talk.prepareStatement("insert into fruit values (?, ?)")) {
                for (int at = 10; at < 300; at++) {
                    many.setInt(1, at);
                    many.setString(2, "x".repeat(at));
                    many.addBatch();
                }
                many.executeBatch();
            }
            try (Statement portions = talk.createStatement()) {
                portions.setFetchSize(40);
                try (ResultSet rows = portions.executeQuery("select * from fruit order by id")) {
                    while (rows.next()) {
                        rows.getString(2);
                    }
                }
                portions.executeQuery("select 1 / 0");
            } catch (SQLException expected) {
                talk.rollback();
            }
            ((PGConnection) talk).getCopyAPI().copyOut("copy fruit to stdout", new StringWriter());
            talk.commit();
        }
        System.out.println("done");
    }
}
