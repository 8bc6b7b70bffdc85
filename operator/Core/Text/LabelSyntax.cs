namespace Bursar.Core.Text;

/// <summary>Kubernetes' syntax of label keys (<c>example.com/team</c>) and values.</summary>
public static class LabelSyntax
{
    /// <summary>Returns null if the key is valid, otherwise the rest of a sentence about it.</summary>
    public static string? KeyError(string key)
    {
        var slash = key.IndexOf('/');
        if (slash >= 0)
        {
            var prefix = key.AsSpan(0, slash);
            if (prefix.Length is 0 or > 253)
                return "has a prefix that is not a DNS name of 1 to 253 characters";
            foreach (var part in prefix.Split('.'))
                if (!IsDnsLabel(prefix[part]))
                    return "has a prefix that is not a DNS name";
        }
        var name = key.AsSpan(slash + 1);
        if (name.Length is 0 or > 63)
            return "must have a name of 1 to 63 characters";
        return IsName(name) ? null : "may contain letters, digits, '-', '_' and '.' only, and must begin and end with a letter or digit";
    }

    public static string? ValueError(string value)
    {
        if (value.Length == 0)
            return null;
        if (value.Length > 63)
            return "is longer than 63 characters";
        return IsName(value) ? null : "may contain letters, digits, '-', '_' and '.' only, and must begin and end with a letter or digit";
    }

    private static bool IsName(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
                return false;
        return char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1]);
    }

    private static bool IsDnsLabel(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] == '-' || text[^1] == '-')
            return false;
        foreach (var c in text)
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')
                return false;
        return true;
    }
}
