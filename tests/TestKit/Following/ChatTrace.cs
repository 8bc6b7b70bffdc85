using System.Globalization;
using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.TestKit.Following;

/// <summary>An hour of a real chat service's requests, where it lies beside the checkout: when each came, and its tokens.</summary>
public static class ChatTrace
{
    private const string File = "azure-llm-2023-conv.csv";

    public static bool IsPresentIn(string folder) => System.IO.File.Exists(Path.Combine(folder, File));

    /// <summary>The requests of the trace in order, the first at the given moment.</summary>
    public static IReadOnlyList<ServedRequest> Read(string folder, DateTimeOffset from)
    {
        var rows = System
            .IO.File.ReadLines(Path.Combine(folder, File))
            .Skip(1)
            .Where(line => line.Length > 0)
            .Select(line => line.Split(','))
            .Select(row => (At: DateTime.Parse(row[0], CultureInfo.InvariantCulture), Prompt: Number(row[1]), Output: Number(row[2])))
            .OrderBy(row => row.At)
            .ToArray();
        return [.. rows.Select(row => new ServedRequest(from + (row.At - rows[0].At), row.Prompt, row.Output))];
    }

    /// <summary>Synthetic requests of the same shape, which need no file.</summary>
    public static IReadOnlyList<ServedRequest> Synthetic(DateTimeOffset from, int seed = 1116)
    {
        var rows = SyntheticTraces.Chat(seed);
        return [.. rows.Select(row => new ServedRequest(from + (row.At - rows[0].At), row.Prompt, row.Generated))];
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
