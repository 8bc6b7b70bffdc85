using System.Buffers;
using System.Globalization;
using System.Text;

namespace Bursar.Core.Text;

/// <summary>
/// Reads the Prometheus text format 0.0.4, and the samples of OpenMetrics (<c># EOF</c>, exemplars, times in seconds):
/// <code>
/// # TYPE vllm:num_requests_waiting gauge
/// vllm:num_requests_waiting{model_name="m",engine="0"} 3 1700000000000
/// </code>
/// An unreadable line is rejected and reported. The others are read, unless the caller is strict.
/// </summary>
public static class PrometheusText
{
    /// <summary>All rejected lines are counted, but only this many are described, because Bursar does not control the text.</summary>
    private const int DescribedErrors = 16;

    private static readonly SearchValues<byte> NameBytes = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"u8
    );

    private static readonly SearchValues<byte> LabelBytes = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"u8
    );

    /// <summary>Passes each sample to the visitor. Unreadable lines are counted and skipped.</summary>
    /// <param name="visit">Called for each sample.</param>
    /// <param name="skipped">Called for each unreadable line with the metric's name at its start, or empty.</param>
    public static PrometheusReadResult Read(ReadOnlySpan<byte> utf8, PrometheusVisitor visit, PrometheusSkipVisitor? skipped = null)
    {
        var errors = new List<PrometheusTextError>();
        var (samples, refused) = Walk(utf8, visit, errors, skipped);
        return new(samples, refused, errors);
    }

    /// <summary>
    /// Same as <see cref="Read"/>, for a text that must be a page of metrics. Unreadable lines and no sample are an error.
    /// </summary>
    /// <exception cref="PrometheusFormatException">Names the first unreadable line.</exception>
    public static PrometheusReadResult ReadPage(ReadOnlySpan<byte> utf8, PrometheusVisitor visit, PrometheusSkipVisitor? skipped = null)
    {
        var result = Read(utf8, visit, skipped);
        return result is { Samples: 0, Refused: > 0 } ? throw new PrometheusFormatException(result.Errors[0]) : result;
    }

    /// <summary>Passes all samples to the visitor or none. A text with an unreadable line throws before the first call.</summary>
    /// <exception cref="PrometheusFormatException">Names the first unreadable line.</exception>
    public static int ReadStrict(ReadOnlySpan<byte> utf8, PrometheusVisitor visit)
    {
        var errors = new List<PrometheusTextError>();
        Walk(utf8, null, errors);
        if (errors.Count > 0)
            throw new PrometheusFormatException(errors[0]);
        return Walk(utf8, visit, errors).Samples;
    }

    /// <summary>Returns all samples of a text without errors.</summary>
    /// <exception cref="PrometheusFormatException">Names the first unreadable line.</exception>
    public static List<PrometheusSample> Parse(ReadOnlySpan<byte> utf8)
    {
        var samples = new List<PrometheusSample>();
        ReadStrict(utf8, (in PrometheusLine line) => samples.Add(line.ToSample()));
        return samples;
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{byte})"/>
    public static List<PrometheusSample> Parse(string text) => Parse(Encoding.UTF8.GetBytes(text));

    private static (int Samples, int Refused) Walk(
        ReadOnlySpan<byte> text,
        PrometheusVisitor? visit,
        List<PrometheusTextError> errors,
        PrometheusSkipVisitor? skipped = null
    )
    {
        // OpenMetrics times are in seconds, those of the classic format in milliseconds. Only the end of the text distinguishes them.
        var openMetrics = text.TrimEnd("\r\n"u8).EndsWith("# EOF"u8);
        int number = 0,
            samples = 0,
            refused = 0;
        while (!text.IsEmpty)
        {
            number++;
            var end = text.IndexOf((byte)'\n');
            var line = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            line = line.Trim(" \t\r"u8);
            if (line.IsEmpty)
                continue;
            if (line[0] == '#')
            {
                if (line.SequenceEqual("# EOF"u8))
                    break;
                continue;
            }
            var reason = ReadSample(line, openMetrics, number, out var sample);
            if (reason is null)
            {
                samples++;
                visit?.Invoke(in sample);
                continue;
            }
            refused++;
            skipped?.Invoke(line[..(line.IndexOfAnyExcept(NameBytes) is >= 0 and var length ? length : line.Length)]);
            if (errors.Count < DescribedErrors)
                errors.Add(new(number, reason));
        }
        return (samples, refused);
    }

    private static string? ReadSample(ReadOnlySpan<byte> line, bool openMetrics, int number, out PrometheusLine sample)
    {
        sample = default;
        var length = line.IndexOfAnyExcept(NameBytes);
        if (length < 0)
            return "a name without a value";
        if (length == 0 || char.IsAsciiDigit((char)line[0]))
            return "does not begin with a metric's name";
        var name = line[..length];
        var rest = line[length..].TrimStart(" \t"u8);

        ReadOnlySpan<byte> labels = default;
        if (!rest.IsEmpty && rest[0] == '{')
        {
            rest = rest[1..];
            var all = rest;
            while (true)
            {
                rest = rest.TrimStart(" \t"u8);
                if (rest.IsEmpty)
                    return "the labels' closing brace is missing";
                if (rest[0] == '}')
                    break;
                if (LabelError(ref rest) is { } reason)
                    return reason;
            }
            labels = all[..(all.Length - rest.Length)];
            rest = rest[1..].TrimStart(" \t"u8);
        }
        else if (rest.Length == line.Length - length)
            return "an invalid character in a metric name";

        // A # starts an exemplar, because neither a value nor a time can contain it.
        var hash = rest.IndexOf((byte)'#');
        if (hash >= 0)
            rest = rest[..hash].TrimEnd(" \t"u8);
        if (rest.IsEmpty)
            return "the value is missing";
        var space = rest.IndexOfAny((byte)' ', (byte)'\t');
        var valueText = space < 0 ? rest : rest[..space];
        if (!TryValue(valueText, out var value))
            return "the value is not a number";

        long? timestamp = null;
        if (space >= 0)
        {
            var timeText = rest[space..].Trim(" \t"u8);
            if (openMetrics)
            {
                if (!TryValue(timeText, out var seconds) || !(Math.Abs(seconds) < 1e12))
                    return "the timestamp is not a number of seconds";
                timestamp = (long)Math.Floor(seconds * 1000);
            }
            else
            {
                if (!long.TryParse(timeText, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds))
                    return "the timestamp is not a whole number of milliseconds";
                timestamp = milliseconds;
            }
        }
        sample = new PrometheusLine
        {
            Name = name,
            Labels = labels,
            Value = value,
            TimestampMs = timestamp,
            LineNumber = number,
        };
        return null;
    }

    /// <summary>Checks one <c>name="value"</c> and skips it and its comma.</summary>
    private static string? LabelError(ref ReadOnlySpan<byte> rest)
    {
        var length = rest.IndexOfAnyExcept(LabelBytes);
        if (length < 0)
            return "the labels' closing brace is missing";
        if (length == 0 || char.IsAsciiDigit((char)rest[0]))
            return "a label's name is missing or malformed";
        rest = rest[length..].TrimStart(" \t"u8);
        if (rest.IsEmpty || rest[0] != '=')
            return "a label's '=' is missing";
        rest = rest[1..].TrimStart(" \t"u8);
        if (rest.IsEmpty || rest[0] != '"')
            return "a label value is not quoted";
        var i = 1;
        while (true)
        {
            var step = rest[i..].IndexOfAny((byte)'"', (byte)'\\');
            if (step < 0)
                return "the closing quote of a label value is missing";
            i += step;
            if (rest[i] == '"')
                break;
            if (i + 1 >= rest.Length || rest[i + 1] is not ((byte)'\\' or (byte)'"' or (byte)'n'))
                return "a label value has an unknown escape";
            i += 2;
        }
        rest = rest[(i + 1)..].TrimStart(" \t"u8);
        if (rest.IsEmpty)
            return "the labels' closing brace is missing";
        if (rest[0] == ',')
            rest = rest[1..];
        else if (rest[0] != '}')
            return "a comma between labels is missing";
        return null;
    }

    /// <summary>Iterates over labels that <see cref="LabelError"/> has checked.</summary>
    internal static bool TryNextLabel(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> rawValue)
    {
        rest = rest.TrimStart(" \t,"u8);
        name = rawValue = default;
        if (rest.IsEmpty)
            return false;
        var length = rest.IndexOfAnyExcept(LabelBytes);
        name = rest[..length];
        rest = rest[(rest.IndexOf((byte)'"') + 1)..];
        var i = 0;
        while (rest[i] != '"')
            i += rest[i] == '\\' ? 2 : 1;
        rawValue = rest[..i];
        rest = rest[(i + 1)..];
        return true;
    }

    internal static string Unescape(ReadOnlySpan<byte> raw)
    {
        if (raw.IndexOf((byte)'\\') < 0)
            return Encoding.UTF8.GetString(raw);
        var bytes = new byte[raw.Length];
        var length = 0;
        for (var i = 0; i < raw.Length; i++)
        {
            var b = raw[i];
            if (b == '\\')
            {
                b = raw[++i];
                if (b == 'n')
                    b = (byte)'\n';
            }
            bytes[length++] = b;
        }
        return Encoding.UTF8.GetString(bytes, 0, length);
    }

    private static bool TryValue(ReadOnlySpan<byte> text, out double value)
    {
        if (
            double.TryParse(
                text,
                NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
                CultureInfo.InvariantCulture,
                out value
            )
        )
            return true;
        var negative = !text.IsEmpty && text[0] == '-';
        var word = !text.IsEmpty && text[0] is ((byte)'-' or (byte)'+') ? text[1..] : text;
        if (Ascii.EqualsIgnoreCase(word, "Inf"u8) || Ascii.EqualsIgnoreCase(word, "Infinity"u8))
            value = negative ? double.NegativeInfinity : double.PositiveInfinity;
        else if (Ascii.EqualsIgnoreCase(word, "NaN"u8))
            value = double.NaN;
        else
            return false;
        return true;
    }
}
