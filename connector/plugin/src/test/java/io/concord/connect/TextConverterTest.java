package io.concord.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.debezium.connector.postgresql.PostgresValueConverter;
import io.debezium.connector.postgresql.UnchangedToastedReplicationMessageColumn;
import io.debezium.connector.postgresql.connection.DateTimeFormat;
import io.debezium.data.SpecialValueDecimal;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.geometric.PGbox;
import org.postgresql.geometric.PGcircle;
import org.postgresql.geometric.PGline;
import org.postgresql.geometric.PGlseg;
import org.postgresql.geometric.PGpath;
import org.postgresql.geometric.PGpoint;
import org.postgresql.geometric.PGpolygon;
import org.postgresql.jdbc.PgArray;
import org.postgresql.util.PGInterval;

class TextConverterTest {

  private final SampleColumn column = SampleColumn.of(new Properties());

  static Stream<Arguments> values() throws SQLException {
    return Stream.of(
        arguments(null, null),
        arguments("", ""),
        arguments("é😀 'q' \"d\" \\ \n\t", "é😀 'q' \"d\" \\ \n\t"),
        arguments("24:00:00", "24:00:00"),
        arguments("12:00:00.1+05:30", "12:00:00.1+05:30"),
        arguments("infinity", "infinity"),
        arguments("POSITIVE_INFINITY", "POSITIVE_INFINITY"),
        arguments(true, "true"),
        arguments(false, "false"),
        arguments((short) -32768, "-32768"),
        arguments(Integer.MIN_VALUE, "-2147483648"),
        arguments(Long.MIN_VALUE, "-9223372036854775808"),
        arguments(9007199254740993L, "9007199254740993"),
        arguments(1.1f, "1.1"),
        arguments(Float.MIN_VALUE, "1.4E-45"),
        arguments(-0.0f, "-0.0"),
        arguments(Float.NaN, "NaN"),
        arguments(1e300, "1.0E300"),
        arguments(0.1 + 0.2, "0.30000000000000004"),
        arguments(-0.0, "-0.0"),
        arguments(Double.POSITIVE_INFINITY, "Infinity"),
        arguments(Double.NEGATIVE_INFINITY, "-Infinity"),
        arguments(new BigDecimal("-92233720368547758.08"), "-92233720368547758.08"),
        arguments(new BigDecimal("1E+3"), "1000"),
        arguments(new byte[] {}, "\\x"),
        arguments(new byte[] {0, -1, 16, 32}, "\\x00ff1020"));
  }

  static Stream<Arguments> numerics() {
    return Stream.of(
        arguments(numeric("0.00"), "0.00"),
        arguments(numeric("1.50"), "1.50"),
        arguments(numeric("-0.01"), "-0.01"),
        arguments(numeric("1E-20"), "0.00000000000000000001"),
        arguments(numeric("1" + "0".repeat(2000)), "1" + "0".repeat(2000)),
        arguments(numeric("-1E+131071"), "-1" + "0".repeat(131071)),
        arguments(numeric("12345678901234567890.1234567890"), "12345678901234567890.1234567890"),
        arguments(SpecialValueDecimal.NOT_A_NUMBER, "NaN"),
        arguments(SpecialValueDecimal.POSITIVE_INF, "Infinity"),
        arguments(SpecialValueDecimal.NEGATIVE_INF, "-Infinity"));
  }

  static Stream<Arguments> datesAndTimes() {
    return Stream.of(
        arguments(LocalDate.of(2024, 2, 29), "2024-02-29"),
        arguments(LocalDate.of(1, 1, 1), "0001-01-01"),
        arguments(LocalDate.of(0, 12, 31), "0001-12-31 BC"),
        arguments(LocalDate.of(-43, 3, 15), "0044-03-15 BC"),
        arguments(LocalDate.of(-4712, 1, 1), "4713-01-01 BC"),
        arguments(LocalDate.of(10000, 1, 1), "10000-01-01"),
        arguments(LocalDate.of(5874897, 12, 31), "5874897-12-31"),
        arguments(PostgresValueConverter.POSITIVE_INFINITY_LOCAL_DATE, "infinity"),
        arguments(PostgresValueConverter.NEGATIVE_INFINITY_LOCAL_DATE, "-infinity"),
        arguments(Instant.parse("2024-01-01T12:00:00Z"), "2024-01-01 12:00:00"),
        arguments(Instant.parse("2024-01-01T12:00:00.5Z"), "2024-01-01 12:00:00.5"),
        arguments(Instant.parse("1969-12-31T23:59:59.999999Z"), "1969-12-31 23:59:59.999999"),
        arguments(Instant.parse("2024-01-01T12:00:00.123456789Z"), "2024-01-01 12:00:00.123456789"),
        arguments(Instant.parse("-0043-03-15T12:00:00Z"), "0044-03-15 12:00:00 BC"),
        arguments(Instant.parse("+294276-12-31T23:59:59.999999Z"), "294276-12-31 23:59:59.999999"),
        arguments(PostgresValueConverter.POSITIVE_INFINITY_INSTANT, "infinity"),
        arguments(PostgresValueConverter.NEGATIVE_INFINITY_INSTANT, "-infinity"),
        arguments(OffsetDateTime.parse("2024-01-01T12:00:00.1+02:00"), "2024-01-01 10:00:00.1+00"),
        arguments(OffsetDateTime.parse("2024-01-01T00:00:00-08:00"), "2024-01-01 08:00:00+00"),
        arguments(OffsetDateTime.parse("0001-01-01T00:30:00+01:00"), "0001-12-31 23:30:00+00 BC"),
        arguments(OffsetDateTime.parse("-4712-01-02T00:00:00Z"), "4713-01-02 00:00:00+00 BC"),
        arguments(OffsetDateTime.parse("+294276-12-31T23:59:59.999999Z"), "294276-12-31 23:59:59.999999+00"),
        arguments(PostgresValueConverter.POSITIVE_INFINITY_OFFSET_DATE_TIME, "infinity"),
        arguments(PostgresValueConverter.NEGATIVE_INFINITY_OFFSET_DATE_TIME, "-infinity"));
  }

  static Stream<Arguments> driverObjects() throws SQLException {
    return Stream.of(
        arguments(new PgArray(null, 0, "[0:1]={1,NULL}"), "[0:1]={1,NULL}"),
        arguments(new PgArray(null, 0, "{\"a,\\\"b\\\"\",{}}"), "{\"a,\\\"b\\\"\",{}}"),
        arguments(
            new PGInterval("1 year 2 mons -3 days +04:05:06.789"), "1 years 2 mons -3 days 4 hours 5 mins 6.789 secs"),
        arguments(new PGInterval("-00:00:00.000001"), "-0.000001 secs"),
        arguments(new PGInterval("00:00:00"), "0 secs"),
        arguments(new PGpoint("(1e-300,NaN)"), "(1.0E-300,NaN)"),
        arguments(new PGline("{1,-1,0.5}"), "{1.0,-1.0,0.5}"),
        arguments(new PGlseg("[(0,0),(1,1.5)]"), "[(0.0,0.0),(1.0,1.5)]"),
        arguments(new PGbox("(1,1),(0,0)"), "(1.0,1.0),(0.0,0.0)"),
        arguments(new PGpath("((0,0),(1,1))"), "((0.0,0.0),(1.0,1.0))"),
        arguments(new PGpath("[(0,0),(1,1)]"), "[(0.0,0.0),(1.0,1.0)]"),
        arguments(new PGpolygon("((0,0),(1,1))"), "((0.0,0.0),(1.0,1.0))"),
        arguments(new PGcircle("<(1,2),3.5>"), "<(1.0,2.0),3.5>"));
  }

  /** Classes that Debezium uses elsewhere (snapshots, other decoders) or not at all: pgoutput never brings them. */
  static Stream<?> foreignValues() {
    return Stream.of(
        new Object(),
        'c',
        (byte) 1,
        BigInteger.ONE,
        LocalTime.NOON,
        LocalDateTime.of(2024, 1, 1, 0, 0),
        OffsetTime.of(LocalTime.NOON, ZoneOffset.UTC),
        Duration.ofSeconds(1),
        new UUID(1, 2),
        Map.of("a", 1),
        List.of("a"),
        arguments((Object) new String[] {"a"}));
  }

  @ParameterizedTest
  @MethodSource({"values", "numerics", "datesAndTimes", "driverObjects"})
  void everyValueBecomesTheTextThatPostgresReads(Object value, String text) {
    assertEquals(text, column.convert(value));
  }

  /** What the decoder makes of PostgreSQL's own text comes out as that text. */
  @ParameterizedTest
  @ValueSource(
      strings = {"infinity", "-infinity", "2024-02-29", "0044-03-15 BC", "4713-11-24 BC", "5874897-12-31", "0001-01-01"})
  void datesComeOutAsPostgresPrintsThem(String text) {
    assertEquals(text, column.convert(DateTimeFormat.get().date(text)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "2024-01-01 12:00:00", "2024-01-01 12:00:00.1", "2024-01-01 00:00:00.000001", "294276-12-31 23:59:59.999999",
        "0044-03-15 12:00:00 BC", "1582-10-10 00:00:00"
      })
  void timestampsComeOutAsPostgresPrintsThem(String text) {
    assertEquals(text, column.convert(DateTimeFormat.get().timestampToInstant(text)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"2024-01-01 12:00:00.123456+00", "4713-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00"})
  void timestampsWithZoneComeOutAsPostgresPrintsThem(String text) {
    assertEquals(text, column.convert(DateTimeFormat.get().timestampWithTimeZoneToOffsetDateTime(text)));
  }

  /** Or a real value of a row would become infinity. */
  @Test
  void debeziumsStandInsForInfinityLieOutsideTheRangesOfPostgres() {
    LocalDate firstDate = LocalDate.of(-4713, 11, 24);
    LocalDate lastDate = LocalDate.of(5874897, 12, 31);
    assertTrue(PostgresValueConverter.POSITIVE_INFINITY_LOCAL_DATE.isAfter(lastDate));
    assertTrue(PostgresValueConverter.NEGATIVE_INFINITY_LOCAL_DATE.isBefore(firstDate));
    Instant firstInstant = firstDate.atStartOfDay().toInstant(ZoneOffset.UTC);
    Instant lastInstant = Instant.parse("+294276-12-31T23:59:59.999999Z");
    assertTrue(PostgresValueConverter.POSITIVE_INFINITY_INSTANT.isAfter(lastInstant));
    assertTrue(PostgresValueConverter.NEGATIVE_INFINITY_INSTANT.isBefore(firstInstant));
    assertTrue(PostgresValueConverter.POSITIVE_INFINITY_OFFSET_DATE_TIME.toInstant().isAfter(lastInstant));
    assertTrue(PostgresValueConverter.NEGATIVE_INFINITY_OFFSET_DATE_TIME.toInstant().isBefore(firstInstant));
  }

  @ParameterizedTest
  @MethodSource("foreignValues")
  void aClassThatItDoesNotKnowIsRefusedWithColumnAndClass(Object value) {
    DataException error = assertThrows(DataException.class, () -> column.convert(value));
    // Debezium rethrows the cause only, so the cause must say it too.
    for (Throwable told : List.of(error, assertInstanceOf(IllegalArgumentException.class, error.getCause()))) {
      assertTrue(told.getMessage().contains("public.t.c"), told.getMessage());
      assertTrue(told.getMessage().contains(value.getClass().getName()), told.getMessage());
    }
  }

  @Test
  void aValueThatTheDecoderDidNotHaveBecomesThePlaceholder() {
    for (Object marker :
        List.of(
            UnchangedToastedReplicationMessageColumn.UNCHANGED_TOAST_VALUE,
            UnchangedToastedReplicationMessageColumn.UNCHANGED_TEXT_ARRAY_TOAST_VALUE,
            UnchangedToastedReplicationMessageColumn.UNCHANGED_BINARY_ARRAY_TOAST_VALUE,
            UnchangedToastedReplicationMessageColumn.UNCHANGED_INT_ARRAY_TOAST_VALUE,
            UnchangedToastedReplicationMessageColumn.UNCHANGED_BIGINT_ARRAY_TOAST_VALUE,
            UnchangedToastedReplicationMessageColumn.UNCHANGED_HSTORE_TOAST_VALUE,
            UnchangedToastedReplicationMessageColumn.UNCHANGED_UUID_TOAST_VALUE))
      assertEquals("__concord_unavailable_b7c0d9e2a1f84f0c", column.convert(marker));
  }

  @Test
  void thePlaceholderIsASetting() {
    Properties settings = new Properties();
    settings.setProperty("unavailable.value.placeholder", "gone");
    Object marker = UnchangedToastedReplicationMessageColumn.UNCHANGED_TOAST_VALUE;
    assertEquals("gone", SampleColumn.of(settings).convert(marker));
  }

  @Test
  void nullStaysNullInAColumnWithADefault() {
    SchemaBuilder schema = column.schema();
    // Debezium's own calls (TableSchemaBuilder.addField) on what the converter registered.
    schema.optional();
    schema.defaultValue(column.convert("default"));
    Struct row = new Struct(SchemaBuilder.struct().field("c", schema.build()).build());
    row.put("c", column.convert(null));
    row.validate();
    assertNull(row.get("c"));
    assertEquals(SchemaBuilder.string().optional().build(), row.schema().field("c").schema());
  }

  private static SpecialValueDecimal numeric(String text) {
    return new SpecialValueDecimal(new BigDecimal(text));
  }
}
