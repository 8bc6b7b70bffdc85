using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Reads and writes small values of the API's JSON. A reader begins on the first token of a value and ends on its last. A value of an
/// unexpected type is reported, skipped and reads as absent, so that one object does not fail a whole list.
/// </summary>
internal static class Wire
{
    public delegate T ItemReader<out T>(ref Utf8JsonReader reader);

    /// <summary>Moves to the next property name of an object. Returns false at the end of the object.</summary>
    public static bool NextProperty(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.PropertyName;

    /// <summary>Moves from a property's name to its value. Returns whether an object starts there, and skips any other value.</summary>
    public static bool EnterObject(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.PropertyName)
            reader.Read();
        if (reader.TokenType == JsonTokenType.StartObject)
            return true;
        Skip(ref reader, MistypedTokens.Object);
        return false;
    }

    /// <summary>Reports and skips a value of an unexpected type.</summary>
    public static void Skip(ref Utf8JsonReader reader, string expected)
    {
        MistypedTokens.Report(ref reader, expected);
        reader.TrySkip();
    }

    /// <summary>Skips the value of the current property.</summary>
    public static void Pass(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.PropertyName)
            reader.Read();
        reader.TrySkip();
    }

    /// <summary>Reads the current property's string, which other objects share.</summary>
    public static string? Shared(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
            return StringPool.Get(ref reader);
        Skip(ref reader, MistypedTokens.Text);
        return null;
    }

    /// <summary>Reads the current property's string, which only this object has.</summary>
    public static string? Text(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
            return reader.GetString();
        Skip(ref reader, MistypedTokens.Text);
        return null;
    }

    public static long Long(ref Utf8JsonReader reader, long absent = 0)
    {
        reader.Read();
        return Whole(ref reader, long.MinValue, long.MaxValue) ?? absent;
    }

    public static int Int(ref Utf8JsonReader reader) => (int)Math.Clamp(Long(ref reader), int.MinValue, int.MaxValue);

    public static bool Bool(ref Utf8JsonReader reader)
    {
        reader.Read();
        return Truth(ref reader) ?? false;
    }

    /// <summary>Reads the current property's time as UTC ticks; 0 if absent.</summary>
    public static long Ticks(ref Utf8JsonReader reader)
    {
        reader.Read();
        return TicksHere(ref reader);
    }

    /// <summary>
    /// Reads the current value as UTC ticks; 0 if absent. Go writes a time that was never set as an empty string or as the start of the
    /// year 1. Both read as absent.
    /// </summary>
    public static long TicksHere(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            if (reader.TryGetDateTimeOffset(out DateTimeOffset time))
                return time.UtcTicks;
            if (reader.ValueTextEquals(""u8))
                return 0;
        }

        Skip(ref reader, MistypedTokens.Time);
        return 0;
    }

    /// <summary>Reads the current value as a string, which may be written as a number or a boolean.</summary>
    public static string? AnyText(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                // Most strings repeat over the objects of a kind.
                return StringPool.Get(ref reader);
            case JsonTokenType.Number:
                MistypedTokens.Report(ref reader, MistypedTokens.Text, isConverted: true);
                return Encoding.UTF8.GetString(reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan);
            case JsonTokenType.True or JsonTokenType.False:
                MistypedTokens.Report(ref reader, MistypedTokens.Text, isConverted: true);
                return reader.TokenType == JsonTokenType.True ? "true" : "false";
            default:
                Skip(ref reader, MistypedTokens.Text);
                return null;
        }
    }

    /// <summary>Reads the current value as an integer, also from a string or a fraction of zero. Null if absent or out of bounds.</summary>
    public static long? Whole(ref Utf8JsonReader reader, long least, long most)
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            if (!reader.TryGetInt64(out long value))
                value =
                    reader.TryGetDecimal(out decimal exact)
                    && decimal.Truncate(exact) == exact
                    && exact >= long.MinValue
                    && exact <= long.MaxValue
                        ? (long)exact
                        : long.MinValue;
            if (value >= least && value <= most && value != long.MinValue)
                return value;
        }
        else if (
            reader.TokenType == JsonTokenType.String
            && long.TryParse(reader.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long written)
            && written >= least
            && written <= most
        )
        {
            MistypedTokens.Report(ref reader, MistypedTokens.Number, isConverted: true);
            return written;
        }

        Skip(ref reader, MistypedTokens.Number);
        return null;
    }

    /// <summary>Reads the current value as a boolean, which may be written as a string. Null if absent.</summary>
    public static bool? Truth(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.True:
                return true;
            case JsonTokenType.False:
                return false;
            case JsonTokenType.String when reader.ValueTextEquals("true"u8) || reader.ValueTextEquals("false"u8):
                MistypedTokens.Report(ref reader, MistypedTokens.Boolean, isConverted: true);
                return reader.ValueTextEquals("true"u8);
            default:
                Skip(ref reader, MistypedTokens.Boolean);
                return null;
        }
    }

    public static DateTimeOffset? Time(long ticks) => ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);

    public static long Ticks(DateTimeOffset? time) => time?.UtcTicks ?? 0;

    /// <summary>Reads the list under the current property, without its null items.</summary>
    public static T[] Array<T>(ref Utf8JsonReader reader, ItemReader<T?> item)
        where T : class
    {
        if (reader.TokenType == JsonTokenType.PropertyName)
            reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            Skip(ref reader, MistypedTokens.List);
            return [];
        }

        T[] rented = ArrayPool<T>.Shared.Rent(8);
        int count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            T? value = item(ref reader);
            if (value is null)
                continue;
            if (count == rented.Length)
            {
                T[] larger = ArrayPool<T>.Shared.Rent(count * 2);
                rented.CopyTo(larger, 0);
                ArrayPool<T>.Shared.Return(rented, clearArray: true);
                rented = larger;
            }

            rented[count++] = value;
        }

        T[] result = count == 0 ? [] : rented[..count];
        ArrayPool<T>.Shared.Return(rented, clearArray: true);
        return result;
    }

    /// <summary>Reads an item of a list of strings. The reader is already on the item.</summary>
    public static string? SharedItem(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            return StringPool.Get(ref reader);
        Skip(ref reader, MistypedTokens.Text);
        return null;
    }

    /// <summary>Reads the map under the current property or value. <paramref name="keep"/> returns false for keys to leave out.</summary>
    public static StringMap Map(ref Utf8JsonReader reader, Func<string, bool>? keep = null)
    {
        if (!EnterObject(ref reader))
            return StringMap.Empty;
        string[] rented = ArrayPool<string>.Shared.Rent(32);
        int count = 0;
        while (NextProperty(ref reader))
        {
            string key = StringPool.Get(ref reader);
            if (keep is not null && !keep(key))
            {
                Pass(ref reader);
                continue;
            }

            reader.Read();
            string? value = reader.TokenType switch
            {
                JsonTokenType.String => StringPool.Get(ref reader),
                JsonTokenType.Number => reader.HasValueSequence
                    ? Encoding.UTF8.GetString(reader.ValueSequence)
                    : StringPool.Get(reader.ValueSpan),
                JsonTokenType.True => "true",
                JsonTokenType.False => "false",
                _ => null,
            };
            if (value is null)
            {
                Skip(ref reader, MistypedTokens.Text);
                continue;
            }

            if (count + 2 > rented.Length)
            {
                string[] larger = ArrayPool<string>.Shared.Rent(count * 2);
                rented.CopyTo(larger, 0);
                ArrayPool<string>.Shared.Return(rented, clearArray: true);
                rented = larger;
            }

            rented[count++] = key;
            rented[count++] = value;
        }

        StringMap map = count == 0 ? StringMap.Empty : new StringMap(rented[..count]);
        ArrayPool<string>.Shared.Return(rented, clearArray: true);
        return map;
    }

    public static void Write(Utf8JsonWriter writer, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            writer.WriteString(name, value);
    }

    public static void Write(Utf8JsonWriter writer, string name, IReadOnlyDictionary<string, string> map)
    {
        if (map.Count == 0)
            return;
        writer.WriteStartObject(name);
        foreach ((string key, string value) in map)
            writer.WriteString(key, value);
        writer.WriteEndObject();
    }

    public static void Write<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> item)
    {
        if (items.Count == 0)
            return;
        writer.WriteStartArray(name);
        foreach (T value in items)
            item(writer, value);
        writer.WriteEndArray();
    }

    /// <summary>Writes a Time: RFC 3339 in whole seconds, UTC.</summary>
    public static void WriteTime(Utf8JsonWriter writer, string name, long ticks)
    {
        if (ticks == 0)
            return;
        Span<byte> text = stackalloc byte[28];
        writer.WriteString(name, Format(text, ticks, micro: false));
    }

    /// <summary>Returns a time as the API writes it: in whole seconds, or with six decimals for a MicroTime.</summary>
    public static ReadOnlySpan<byte> Format(Span<byte> text, long ticks, bool micro)
    {
        // Format 'O' of a UTC DateTime is yyyy-MM-ddTHH:mm:ss.fffffffZ. The API's formats are its first 19 or 26 bytes.
        Utf8Formatter.TryFormat(new DateTime(ticks, DateTimeKind.Utc), text, out _, new StandardFormat('O'));
        int length = micro ? 26 : 19;
        text[length] = (byte)'Z';
        return text[..(length + 1)];
    }
}
