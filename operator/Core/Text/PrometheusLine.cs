using System.Text;

namespace Bursar.Core.Text;

/// <summary>One sample as it stands in the text, nothing copied; valid only inside the visitor's call.</summary>
public readonly ref struct PrometheusLine
{
    /// <summary>The metric's name, UTF-8 (ASCII by its grammar).</summary>
    public ReadOnlySpan<byte> Name { get; init; }

    /// <summary>What stands between the braces, already checked: <c>model_name="m",le="0.5",</c>.</summary>
    public ReadOnlySpan<byte> Labels { get; init; }

    public double Value { get; init; }

    /// <summary>Milliseconds since 1970, where the line carries a time.</summary>
    public long? TimestampMs { get; init; }

    /// <summary>Counted from 1.</summary>
    public int LineNumber { get; init; }

    public bool NameIs(ReadOnlySpan<byte> name) => Name.SequenceEqual(name);

    /// <summary>The value of a label, unescaped.</summary>
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

/// <summary>Called for each line that cannot be read.</summary>
/// <param name="name">The metric's name that the line begins with; empty where there is none.</param>
public delegate void PrometheusSkipVisitor(ReadOnlySpan<byte> name);
