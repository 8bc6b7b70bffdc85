using System.Text;

namespace Bursar.Core.Text;

/// <summary>One sample in the text, without copies. Valid only during the visitor's call.</summary>
public readonly ref struct PrometheusLine
{
    /// <summary>The metric's name in UTF-8 (ASCII by its grammar).</summary>
    public ReadOnlySpan<byte> Name { get; init; }

    /// <summary>The validated text between the braces: <c>model_name="m",le="0.5",</c>.</summary>
    public ReadOnlySpan<byte> Labels { get; init; }

    public double Value { get; init; }

    /// <summary>Milliseconds since 1970. Null: the line has no time.</summary>
    public long? TimestampMs { get; init; }

    /// <summary>Counted from 1.</summary>
    public int LineNumber { get; init; }

    public bool NameIs(ReadOnlySpan<byte> name) => Name.SequenceEqual(name);

    /// <summary>Returns the value of a label, unescaped.</summary>
    public bool TryGetLabel(ReadOnlySpan<byte> name, out string value)
    {
        var rest = Labels;
        while (PrometheusText.TryNextLabel(ref rest, out var key, out var raw))
        {
            if (!key.SequenceEqual(name))
                continue;
            value = PrometheusText.Unescape(raw);
            return true;
        }
        value = "";
        return false;
    }

    public PrometheusSample ToSample()
    {
        var labels = new List<KeyValuePair<string, string>>();
        var rest = Labels;
        while (PrometheusText.TryNextLabel(ref rest, out var key, out var raw))
            labels.Add(new(Encoding.UTF8.GetString(key), PrometheusText.Unescape(raw)));
        return new(Encoding.UTF8.GetString(Name), labels, Value, TimestampMs);
    }
}

/// <summary>Called for each sample, in the order of the text.</summary>
public delegate void PrometheusVisitor(in PrometheusLine line);

/// <summary>Called for each unreadable line.</summary>
/// <param name="name">The metric's name at the start of the line. Empty: there is none.</param>
public delegate void PrometheusSkipVisitor(ReadOnlySpan<byte> name);
