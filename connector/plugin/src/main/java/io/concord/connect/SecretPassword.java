package io.concord.connect;

import io.concord.connect.Secrets.SecretProblem;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.Optional;
import java.util.Properties;
import org.postgresql.Driver;
import org.postgresql.PGProperty;
import org.postgresql.plugin.AuthenticationPlugin;
import org.postgresql.plugin.AuthenticationRequestType;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLState;

/**
 * Lets the PostgreSQL driver read the password from AWS Secrets Manager each time it connects: a rotated password reaches a
 * running connector with its next connection, and no worker keeps it. Debezium gives up at a refused password, so one that was
 * read at the start would stop the capture at the first lost connection after a rotation.
 *
 * <p>A rotation sets the password in the database a moment before it moves the label AWSCURRENT, and may be given up in between:
 * while there is a pending password, a login tells which of the two it is.
 *
 * <p>Properties of the connection: {@code concord.secret} (id or ARN), {@code concord.secret.key} (default {@code password}),
 * {@code concord.secret.region}, and optionally {@code concord.secret.endpoint}.
 */
public final class SecretPassword implements AuthenticationPlugin {

  static final String SECRET = "concord.secret";
  static final String KEY = "concord.secret.key";
  static final String REGION = "concord.secret.region";
  static final String ENDPOINT = "concord.secret.endpoint";

  private final Properties connection;

  public SecretPassword(Properties connection) {
    this.connection = connection;
  }

  @Override
  public char[] getPassword(AuthenticationRequestType type) throws PSQLException {
    String key = connection.getProperty(KEY, "password");
    try (Secrets secrets = new Secrets(required(REGION), connection.getProperty(ENDPOINT))) {
      // In this order: the label may move in between, and what is pending then is current.
      Optional<String> pending = secrets.pendingValue(required(SECRET), key);
      String current = secrets.value(required(SECRET), key);
      boolean isRotating = pending.isPresent() && !pending.get().equals(current);
      boolean isPending = isRotating && !opens(current) && opens(pending.get());
      return (isPending ? pending.get() : current).toCharArray();
    } catch (SecretProblem problem) {
      // Of the class that Debezium tries again: Secrets Manager may be out of reach for a while.
      throw new PSQLException(problem.getMessage(), PSQLState.CONNECTION_UNABLE_TO_CONNECT);
    }
  }

  /** Does the database let this connection's user in with the password? */
  private boolean opens(String password) throws PSQLException {
    Properties login = new Properties();
    for (String name : connection.stringPropertyNames()) login.setProperty(name, connection.getProperty(name));
    PGProperty.AUTHENTICATION_PLUGIN_CLASS_NAME.set(login, (String) null);
    PGProperty.REPLICATION.set(login, (String) null);
    PGProperty.PASSWORD.set(login, password);
    try {
      new Driver().connect(url(), login).close();
      return true;
    } catch (SQLException problem) {
      if (PSQLState.INVALID_PASSWORD.getState().equals(problem.getSQLState())) return false;
      throw new PSQLException(problem.getMessage(), PSQLState.CONNECTION_UNABLE_TO_CONNECT);
    }
  }

  private String url() {
    String host = PGProperty.PG_HOST.getOrDefault(connection);
    String server = host.contains(":") ? "[" + host + "]" : host;
    return "jdbc:postgresql://%s:%s/%s"
        .formatted(server, PGProperty.PG_PORT.getOrDefault(connection), encoded(PGProperty.PG_DBNAME.getOrDefault(connection)));
  }

  private static String encoded(String database) {
    return database == null ? "" : URLEncoder.encode(database, StandardCharsets.UTF_8);
  }

  private String required(String name) throws PSQLException {
    String value = connection.getProperty(name);
    if (value == null)
      throw new PSQLException("the connection lacks the property " + name, PSQLState.INVALID_PARAMETER_VALUE);
    return value;
  }
}
