namespace Bursar.Tests.Benchmarks;

/// <summary>The measured figures beside their targets, as a Markdown table.</summary>
internal sealed class FigureTable
{
    private readonly List<string[]> _rows =
    [
        ["what", "measured", "target", "met"],
    ];

    public void Add(string what, string measured) => Add([what, measured, "", ""]);

    public void Add(string what, string measured, string target, bool met) => Add([what, measured, target, met ? "yes" : "no"]);

    public void Skip(string what, string why) => Add([what, $"skipped: {why}", "", ""]);

    /// <summary>Prints each figure at once too, because a run takes minutes.</summary>
    private void Add(string[] row)
    {
        _rows.Add(row);
        Console.Error.WriteLine($"bench:   {row[0]}: {row[1]}");
    }

    public void Print() => Print(_rows);

    /// <summary>Rows of any kind, the first of them the head.</summary>
    public static void Print(IReadOnlyList<string[]> rows)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        for (var i = 0; i < rows.Count; i++)
        {
            Console.WriteLine($"| {string.Join(" | ", rows[i].Select((cell, column) => cell.PadRight(widths[column])))} |");
            if (i == 0)
                Console.WriteLine($"| {string.Join(" | ", widths.Select(width => new string('-', width)))} |");
        }
    }
}
