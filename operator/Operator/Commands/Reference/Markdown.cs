namespace Bursar.Operator.Commands.Reference;

internal static class Markdown
{
    /// <summary>Text in one cell of a table: a pipe would end the cell, and angle brackets would be HTML.</summary>
    public static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal)
            .Replace("\n", " ", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal);
}
