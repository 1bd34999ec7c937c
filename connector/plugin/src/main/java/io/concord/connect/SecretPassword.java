package io.concord.connect;

import io.concord.connect.Secrets.SecretProblem;
import java.util.Properties;
import org.postgresql.plugin.AuthenticationPlugin;
import org.postgresql.plugin.AuthenticationRequestType;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLState;

/**
 * Lets the PostgreSQL driver read the password from AWS Secrets Manager each time it connects: a rotated password reaches a
 * running connector with its next connection, and no worker keeps it. Debezium gives up at a refused password, so one that was
 * read at the start would stop the capture at the first lost connection after a rotation.
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
      return secrets.value(required(SECRET), key).toCharArray();
    } catch (SecretProblem problem) {
      // Of the class that Debezium tries again: Secrets Manager may be out of reach for a while.
      throw new PSQLException(problem.getMessage(), PSQLState.CONNECTION_UNABLE_TO_CONNECT);
    }
  }

  private String required(String name) throws PSQLException {
    String value = connection.getProperty(name);
    if (value == null)
      throw new PSQLException("the connection lacks the property " + name, PSQLState.INVALID_PARAMETER_VALUE);
    return value;
  }
}
