// What a JDBC program sees of a statement that waits for a person: the notice, and then the error's fields.
// Usage: java -cp driver.jar Held.java URL USER PASSWORD STATEMENT. Prints one line for each field.

import java.sql.*;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLWarning;
import org.postgresql.util.ServerErrorMessage;

public class Held {
    static void told(String what, ServerErrorMessage said) {
        System.out.println(what + " " + said.getSQLState());
        System.out.println(said.getMessage());
        System.out.println(said.getDetail());
        System.out.println(said.getHint());
        System.out.println(said.getWhere());
    }

    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(args[0], args[1], args[2]); Statement s = c.createStatement()) {
            try {
                s.execute(args[3]);
                System.out.println("it ran");
            } catch (PSQLException error) {
                for (SQLWarning one = s.getWarnings(); one != null; one = one.getNextWarning())
                    told("notice", ((PSQLWarning) one).getServerErrorMessage());
                told("error", error.getServerErrorMessage());
            }
        }
    }
}
