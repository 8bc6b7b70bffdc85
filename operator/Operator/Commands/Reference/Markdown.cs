namespace Bursar.Operator.Commands.Reference;

internal static class Markdown
{
    /// <summary>Escapes the text of a table cell: pipes and angle brackets.</summary>
    public static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal)
            .Replace("\n", " ", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal);
}
