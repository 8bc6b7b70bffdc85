namespace Bursar.Tests.Bench;

/// <summary>What was measured, beside what it is to be, as a Markdown table.</summary>
internal sealed class FigureTable
{
    private readonly List<string[]> _rows = [["what", "measured", "target", "met"]];

    public void Add(string what, string measured) => _rows.Add([what, measured, "", ""]);

    public void Add(string what, string measured, string target, bool met) => _rows.Add([what, measured, target, met ? "yes" : "no"]);

    public void Skip(string what, string why) => _rows.Add([what, $"skipped: {why}", "", ""]);

    public void Print()
    {
        var widths = Enumerable.Range(0, _rows[0].Length).Select(column => _rows.Max(row => row[column].Length)).ToArray();
        for (var i = 0; i < _rows.Count; i++)
        {
            Console.WriteLine($"| {string.Join(" | ", _rows[i].Select((cell, column) => cell.PadRight(widths[column])))} |");
            if (i == 0) Console.WriteLine($"| {string.Join(" | ", widths.Select(width => new string('-', width)))} |");
        }
    }
}
