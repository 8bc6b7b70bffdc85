using System.Globalization;
using System.Text;

namespace Bursar.Sandbox.Controllers;

/// <summary>Parses and formats sets of completion indexes like a Job's status: <c>0-2,4,7-8</c>.</summary>
internal static class CompletionIndexes
{
    public static SortedSet<int> Parse(string? text)
    {
        var indexes = new SortedSet<int>();
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var dash = part.IndexOf('-', StringComparison.Ordinal);
            var first = int.Parse(dash < 0 ? part : part[..dash], CultureInfo.InvariantCulture);
            var last = dash < 0 ? first : int.Parse(part[(dash + 1)..], CultureInfo.InvariantCulture);
            for (var index = first; index <= last; index++)
                indexes.Add(index);
        }

        return indexes;
    }

    public static string Format(SortedSet<int> indexes)
    {
        var text = new StringBuilder();
        int? first = null,
            last = null;
        foreach (var index in indexes)
        {
            if (last + 1 == index)
            {
                last = index;
                continue;
            }

            Append(text, first, last);
            first = last = index;
        }

        Append(text, first, last);
        return text.ToString();
    }

    private static void Append(StringBuilder text, int? first, int? last)
    {
        if (first is null)
            return;
        if (text.Length > 0)
            text.Append(',');
        text.Append(first);
        // Kubernetes writes two consecutive indexes as a list and three as a range.
        if (last > first)
            text.Append(last == first + 1 ? ',' : '-').Append(last);
    }
}
