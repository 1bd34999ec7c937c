package io.concord.connect;

import io.debezium.connector.postgresql.PostgresValueConverter;
import io.debezium.connector.postgresql.UnchangedToastedReplicationMessageColumn;
import io.debezium.data.SpecialValueDecimal;
import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.chrono.IsoEra;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.SignStyle;
import java.time.temporal.ChronoField;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.errors.DataException;
import org.postgresql.jdbc.PgArray;
import org.postgresql.util.PGobject;

/**
 * Makes every column travel as text that PostgreSQL itself reads back to the same value; NULL as null. It answers every class
 * that Debezium 3.7 makes of pgoutput's text ({@code ReplicationMessageColumnValueResolver}, {@code PgOutputColumnValue}) or of
 * a column's default ({@code PostgresDefaultValueConverter}) and refuses all others, so that a new version of Debezium stops at
 * the first such value instead of sending something else.
 */
public final class TextConverter implements CustomConverter<SchemaBuilder, RelationalColumn> {

  /** Setting: what travels in place of a TOAST value that the decoder did not have. The receiving side parks such a record. */
  public static final String UNAVAILABLE_PLACEHOLDER = "unavailable.value.placeholder";

  static final String DEFAULT_UNAVAILABLE_PLACEHOLDER = "__concord_unavailable_b7c0d9e2a1f84f0c";

  private static final String INFINITY = "infinity";
  private static final String NEGATIVE_INFINITY = "-infinity";

  /** Year of the era, as PostgreSQL has it: there is no year 0, BC stands behind the value. Five digits and more have no plus. */
  private static final DateTimeFormatter DATE =
      new DateTimeFormatterBuilder()
          .appendValue(ChronoField.YEAR_OF_ERA, 4, 10, SignStyle.NEVER)
          .appendPattern("-MM-dd")
          .toFormatter(Locale.ROOT);

  private static final DateTimeFormatter DATE_AND_TIME =
      new DateTimeFormatterBuilder()
          .append(DATE)
          .appendLiteral(' ')
          .append(DateTimeFormatter.ISO_LOCAL_TIME)
          .toFormatter(Locale.ROOT);

  private String unavailable = DEFAULT_UNAVAILABLE_PLACEHOLDER;

  @Override
  public void configure(Properties settings) {
    unavailable = settings.getProperty(UNAVAILABLE_PLACEHOLDER, DEFAULT_UNAVAILABLE_PLACEHOLDER);
  }

  @Override
  public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
    String name = column.dataCollection() + "." + column.name();
    registration.register(new TextWithoutDefault().optional(), value -> text(name, value));
  }

  /**
   * Never has the column's default: {@code Struct.get} answers a field's default where its value is null, which would turn NULL
   * into the default.
   */
  private static final class TextWithoutDefault extends SchemaBuilder {
    TextWithoutDefault() {
      super(Schema.Type.STRING);
    }

    @Override
    public SchemaBuilder defaultValue(Object value) {
      return this;
    }
  }

  private String text(String column, Object value) {
    if (value == null) return null;
    // Text-like types, enums, time, timetz, and every type that Debezium does not know.
    if (value instanceof String text) return text;
    if (isPlain(value)) return value.toString();
    // money
    if (value instanceof BigDecimal number) return number.toPlainString();
    // numeric
    if (value instanceof SpecialValueDecimal number) return numeric(number);
    if (value instanceof byte[] bytes) return bytea(bytes);
    if (value instanceof LocalDate date) return date(date);
    if (value instanceof Instant instant) return timestamp(instant);
    if (value instanceof OffsetDateTime time) return timestamptz(time);
    // Made of the text that PostgreSQL printed, and still holds it.
    if (value instanceof PgArray array) return array.toString();
    // interval, point, line, lseg, box, path, polygon, circle. The driver reads interval 'infinity' as zero and keeps no text, so
    // that value is lost before it comes here: the stamp trigger refuses it.
    if (value instanceof PGobject object) return object.getValue();
    if (UnchangedToastedReplicationMessageColumn.isUnchangedToastedValue(value)) return unavailable;
    throw unknown(column, value);
  }

  /** Whether Java prints such a value in a form that PostgreSQL reads: {@code true}, {@code -7}, {@code 1.0E300}, {@code NaN}. */
  private static boolean isPlain(Object value) {
    return value instanceof Long
        || value instanceof Integer
        || value instanceof Boolean
        || value instanceof Double
        || value instanceof Float
        || value instanceof Short;
  }

  private static String numeric(SpecialValueDecimal number) {
    // Without a decimal value it is one of NaN, Infinity and -Infinity, which double has as well.
    return number.getDecimalValue().map(BigDecimal::toPlainString).orElseGet(() -> Double.toString(number.toDouble()));
  }

  private static String bytea(byte[] bytes) {
    return "\\x" + HexFormat.of().formatHex(bytes);
  }

  /*
   * Java's dates have no infinity. Debezium puts values in its place that lie outside PostgreSQL's ranges and that changed
   * between its versions, so they are taken from the Debezium that runs.
   */

  private static String date(LocalDate date) {
    if (date.equals(PostgresValueConverter.POSITIVE_INFINITY_LOCAL_DATE)) return INFINITY;
    if (date.equals(PostgresValueConverter.NEGATIVE_INFINITY_LOCAL_DATE)) return NEGATIVE_INFINITY;
    return DATE.format(date) + era(date);
  }

  private static String timestamp(Instant instant) {
    if (instant.equals(PostgresValueConverter.POSITIVE_INFINITY_INSTANT)) return INFINITY;
    if (instant.equals(PostgresValueConverter.NEGATIVE_INFINITY_INSTANT)) return NEGATIVE_INFINITY;
    LocalDateTime time = LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
    return DATE_AND_TIME.format(time) + era(time.toLocalDate());
  }

  private static String timestamptz(OffsetDateTime time) {
    if (time.equals(PostgresValueConverter.POSITIVE_INFINITY_OFFSET_DATE_TIME)) return INFINITY;
    if (time.equals(PostgresValueConverter.NEGATIVE_INFINITY_OFFSET_DATE_TIME)) return NEGATIVE_INFINITY;
    OffsetDateTime utc = time.withOffsetSameInstant(ZoneOffset.UTC);
    return DATE_AND_TIME.format(utc) + "+00" + era(utc.toLocalDate());
  }

  private static String era(LocalDate date) {
    return date.getEra() == IsoEra.BCE ? " BC" : "";
  }

  /** Stops the connector, given {@code event.converting.failure.handling.mode=fail}; the default would send NULL. */
  private static DataException unknown(String column, Object value) {
    String message =
        "column %s: no text for a value of %s; check what this version of Debezium makes of the column's type and add it to %s"
            .formatted(column, value.getClass().getName(), TextConverter.class.getName());
    // Debezium drops what a converter throws and reports its cause.
    return new DataException(message, new IllegalArgumentException(message));
  }
}
