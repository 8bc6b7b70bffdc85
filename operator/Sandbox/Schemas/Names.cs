namespace Bursar.Sandbox.Schemas;

/// <summary>Checks names of the API.</summary>
internal static class Names
{
    /// <summary>True for a DNS label that starts with a letter (RFC 1035), at most 63 characters.</summary>
    public static bool IsLabel(string text) =>
        text.Length is > 0 and <= 63
        && char.IsAsciiLetterLower(text[0])
        && text[^1] != '-'
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
