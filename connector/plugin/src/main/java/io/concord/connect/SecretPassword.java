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
 * <p>A rotation sets the password in the database a moment before it moves the label AWSCURRENT, may be given up in between, and may
 * begin after the secret was read: a login tells which password it is. Where none opens the database, the connection is tried
 * again, with what the secret holds by then.
 *
 * <p>Properties of the connection: {@code concord.secret} (id or ARN), {@code concord.secret.key} (default {@code password}),
 * {@code concord.secret.region}, and optionally {@code concord.secret.endpoint}.
 */
public final class SecretPassword implements AuthenticationPlugin {

  static final String SECRET = "concord.secret";
  static final String KEY = "concord.secret.key";
  static final String REGION = "concord.secret.region";
  static final String ENDPOINT = "concord.secret.endpoint";

  /** Does the database let the connection's user in with a password? */
  interface Login {
    boolean opens(String password) throws PSQLException;
  }

  private final Properties connection;
  private final Login login;

  public SecretPassword(Properties connection) {
    this.connection = connection;
    this.login = this::opens;
  }

  SecretPassword(Properties connection, Login login) {
    this.connection = connection;
    this.login = login;
  }

  @Override
  public char[] getPassword(AuthenticationRequestType type) throws PSQLException {
    String key = connection.getProperty(KEY, "password");
    try (Secrets secrets = new Secrets(required(REGION), connection.getProperty(ENDPOINT))) {
      // In this order: the label may move in between, and what is pending then is current.
      Optional<String> pending = secrets.pendingValue(required(SECRET), key);
      String current = secrets.value(required(SECRET), key);
      if (login.opens(current)) return current.toCharArray();
      if (pending.isPresent() && login.opens(pending.get())) return pending.get().toCharArray();
      throw new SecretProblem("the database refuses the password of secret '%s'".formatted(required(SECRET)));
    } catch (SecretProblem problem) {
      // Of the class that Debezium tries again: Secrets Manager may be out of reach for a while.
      throw new PSQLException(problem.getMessage(), PSQLState.CONNECTION_UNABLE_TO_CONNECT);
    }
  }

  private boolean opens(String password) throws PSQLException {
    Properties plain = new Properties();
    for (String name : connection.stringPropertyNames()) plain.setProperty(name, connection.getProperty(name));
    PGProperty.AUTHENTICATION_PLUGIN_CLASS_NAME.set(plain, (String) null);
    PGProperty.REPLICATION.set(plain, (String) null);
    PGProperty.PASSWORD.set(plain, password);
    try {
      new Driver().connect(url(), plain).close();
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
