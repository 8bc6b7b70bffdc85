using System.Globalization;

namespace Bursar.Operator.Cluster;

/// <summary>Completion indexes as Kubernetes writes them: <c>1,3-5,7</c>. Unreadable parts are ignored.</summary>
internal sealed class IndexRanges
{
    public static readonly IndexRanges Empty = new([]);

    private readonly List<(int From, int To)> _ranges;

    private IndexRanges(List<(int From, int To)> ranges) => _ranges = ranges;

    public int Count => (int)Math.Min(int.MaxValue, _ranges.Sum(range => (long)range.To - range.From + 1));

    public static IndexRanges Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return Empty;
        var ranges = new List<(int, int)>();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var dash = part.IndexOf('-');
            if (
                int.TryParse(dash < 0 ? part : part.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out var from)
                && int.TryParse(dash < 0 ? part : part.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var to)
                && from <= to
            )
                ranges.Add((from, to));
        }
        return new(ranges);
    }

    public bool Contains(int index) => _ranges.Exists(range => range.From <= index && index <= range.To);

    /// <summary>Returns the indexes below a number of completions, in order.</summary>
    public IEnumerable<int> Below(int completions) =>
        _ranges
            .OrderBy(range => range.From)
            .SelectMany(range => Enumerable.Range(range.From, Math.Max(0, Math.Min(range.To, completions - 1) - range.From + 1)));
}
