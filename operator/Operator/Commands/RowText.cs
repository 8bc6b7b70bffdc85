using System.Text;

namespace Bursar.Operator.Commands;

/// <summary>Formats rows of text: as aligned columns for people, and as CSV (RFC 4180).</summary>
internal static class RowText
{
    /// <summary>Appends rows as columns, the first ones aligned to the left and the others to the right.</summary>
    public static void Align(StringBuilder text, IReadOnlyList<string[]> rows, int leftColumns)
    {
        var widths = Enumerable
            .Range(0, rows[0].Length)
            .Select(column => rows.Max(row => column < row.Length ? row[column].Length : 0))
            .ToArray();
        foreach (var row in rows)
        {
            var line = string.Join(
                "   ",
                row.Select((cell, column) => column < leftColumns ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))
            );
            text.Append(line.TrimEnd()).Append('\n');
        }
    }

    public static void AppendCsv(StringBuilder text, IEnumerable<string> cells) =>
        text.AppendJoin(',', cells.Select(Quoted)).Append("\r\n");

    private static string Quoted(string cell) =>
        cell.AsSpan().ContainsAny(",\"\r\n") ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell;
}
