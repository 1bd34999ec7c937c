package io.concord.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.ServiceLoader;
import java.util.stream.StreamSupport;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigTransformer;
import org.apache.kafka.common.config.provider.ConfigProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.plugin.AuthenticationRequestType;
import org.postgresql.util.PSQLException;

class SecretsTest {

  private static final String ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:concord/capture-AbCdEf";
  private static final String HIDDEN = "hunter2";

  private final SecretsManagerProvider provider = new SecretsManagerProvider();
  private SecretsManagerServer server;

  @BeforeEach
  void start() throws IOException {
    System.setProperty("aws.accessKeyId", "test");
    System.setProperty("aws.secretAccessKey", "test");
    server = new SecretsManagerServer();
    provider.configure(Map.of("region", "eu-west-1", "endpoint", server.url()));
  }

  @AfterEach
  void stop() {
    provider.close();
    server.close();
  }

  /** As Connect does with a setting. */
  private String resolved(String setting) {
    return new ConfigTransformer(Map.of("secrets", provider)).transform(Map.of("it", setting)).data().get("it");
  }

  @ParameterizedTest
  @ValueSource(strings = {ARN, "concord/eu-west-1/capture", "capture", "!a+b=c@d", "rds!cluster-0af1"})
  void anIdOrArnAndAKeyGiveTheValue(String id) {
    server.put(id, "{\"username\": \"concord\", \"password\": \"%s\"}".formatted(HIDDEN));
    assertEquals(HIDDEN, resolved("${secrets:" + id + ":password}"));
    assertEquals(List.of("secretsmanager.GetSecretValue " + id), server.asked);
  }

  @Test
  void severalInOneSettingAmongOtherText() {
    server.put(ARN, "{\"username\": \"concord\", \"password\": \"a b\"}");
    server.put("other", "{\"port\": 5432}");
    String setting = "u=${secrets:%s:username} p=\"${secrets:%s:password}\" ${secrets:other:port};".formatted(ARN, ARN);
    assertEquals("u=concord p=\"a b\" 5432;", resolved(setting));
  }

  @ParameterizedTest
  @ValueSource(strings = {"ä\uD83D\uDC18 ${x:y:z} $1 \\\\ '", "{}", " "})
  void aValueIsTakenAsItIs(String value) {
    server.put("s", "{\"password\": \"%s\"}".formatted(value));
    assertEquals(value.replace("\\\\", "\\"), resolved("${secrets:s:password}"));
  }

  @Test
  void whatIsReadAgainIsAskedForAgain() {
    server.put("s", "{\"password\": \"one\"}");
    assertEquals("one", resolved("${secrets:s:password}"));
    server.put("s", "{\"password\": \"two\"}");
    assertEquals("two", resolved("${secrets:s:password}"));
  }

  @Test
  void noTimeToLiveIsGiven() {
    server.put("s", "{\"password\": \"one\"}");
    var result = new ConfigTransformer(Map.of("secrets", provider)).transform(Map.of("it", "${secrets:s:password}"));
    assertTrue(result.ttls().isEmpty());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ${secrets:absent:password}  | secret 'absent' is not there in eu-west-1
          ${secrets:s:user}           | secret 's' has no key 'user': its keys are [password, list]
          ${secrets:s:list}           | 'list' of secret 's' is neither text nor number
          ${secrets:text:password}    | secret 'text' is not a JSON object
          ${secrets:array:password}   | secret 'array' is not a JSON object
          ${secrets:binary:password}  | secret 'binary' is not a JSON object
          ${secrets:denied:password}  | needs secretsmanager:GetSecretValue on it
          ${secrets:locked:password}  | needs kms:Decrypt
          ${secrets:deleted:password} | about to be deleted
          ${secrets:s}                | 's' names no secret and key
          ${secrets:s:}               | 's:' names no secret and key
          ${secrets::password}        | names no secret and key
          """)
  void whatCannotBeReadIsSaidWithoutAnyValue(String setting, String says) {
    server.put("s", "{\"password\": \"%s\", \"list\": [\"%s\"]}".formatted(HIDDEN, HIDDEN));
    server.put("text", HIDDEN);
    server.put("array", "[\"%s\"]".formatted(HIDDEN));
    server.answers.put("binary", new SecretsManagerServer.Answer(200, "{\"SecretBinary\": \"aHVudGVyMg==\"}"));
    server.refuse("denied", "AccessDeniedException");
    server.refuse("locked", "DecryptionFailure");
    server.refuse("deleted", "InvalidRequestException");
    assertSays(says, assertThrows(ConfigException.class, () -> resolved(setting)));
  }

  @Test
  void secretsManagerOutOfReach() {
    server.close();
    ConfigException problem = assertThrows(ConfigException.class, () -> resolved("${secrets:s:password}"));
    assertSays("Secrets Manager in eu-west-1 cannot be asked for secret 's'", problem);
  }

  private static void assertSays(String says, Exception problem) {
    assertTrue(problem.getMessage().contains(says), problem.getMessage());
    StringWriter trace = new StringWriter();
    problem.printStackTrace(new PrintWriter(trace));
    assertFalse(trace.toString().contains(HIDDEN), trace.toString());
  }

  @Test
  void aProviderNeedsARegion() {
    assertThrows(ConfigException.class, () -> new SecretsManagerProvider().configure(Map.of()));
    assertThrows(ConfigException.class, () -> provider.get("s"));
  }

  @Test
  void connectFindsTheProvider() {
    List<ConfigProvider> found = StreamSupport.stream(ServiceLoader.load(ConfigProvider.class).spliterator(), false).toList();
    assertTrue(found.stream().anyMatch(SecretsManagerProvider.class::isInstance));
  }

  /** Passwords that the database takes. */
  private final List<String> works = new ArrayList<>();

  private char[] password(Map<String, String> changes) throws PSQLException {
    Map<String, String> settings = new HashMap<>();
    settings.put(SecretPassword.SECRET, ARN);
    settings.put(SecretPassword.REGION, "eu-west-1");
    settings.put(SecretPassword.ENDPOINT, server.url());
    settings.putAll(changes);
    Properties properties = new Properties();
    properties.putAll(settings);
    return new SecretPassword(properties, works::contains).getPassword(AuthenticationRequestType.SASL);
  }

  @Test
  void theDriverGetsThePasswordOfTheMoment() throws PSQLException {
    works.addAll(List.of("one", "two", "three"));
    server.put(ARN, "{\"password\": \"one\"}");
    assertArrayEquals("one".toCharArray(), password(Map.of()));
    server.put(ARN, "{\"password\": \"two\", \"other\": \"three\"}");
    assertArrayEquals("two".toCharArray(), password(Map.of()));
    assertArrayEquals("three".toCharArray(), password(Map.of(SecretPassword.KEY, "other")));
  }

  @Test
  void aPasswordThatTheDatabaseRefusesIsAConnectionThatCannotBeMade() {
    server.put(ARN, "{\"password\": \"%s\"}".formatted(HIDDEN));
    PSQLException refused = assertThrows(PSQLException.class, () -> password(Map.of()));
    assertEquals("08001", refused.getSQLState());
    assertSays("the database refuses the password of secret '" + ARN + "'", refused);
  }

  @Test
  void aPasswordThatCannotBeReadIsAConnectionThatCannotBeMade() {
    PSQLException absent = assertThrows(PSQLException.class, () -> password(Map.of()));
    assertEquals("08001", absent.getSQLState());
    assertSays("secret '" + ARN + "' is not there", absent);
    server.put(ARN, HIDDEN);
    assertSays("is not a JSON object", assertThrows(PSQLException.class, () -> password(Map.of())));
    PSQLException lacks = assertInstanceOf(PSQLException.class, assertThrows(PSQLException.class, () -> new SecretPassword(new Properties()).getPassword(null)));
    assertSays("lacks the property concord.secret.region", lacks);
  }
}
