using System.Text.RegularExpressions;

namespace Bursar.Sandbox.Validation;

/// <summary>Kubernetes' rules for names, labels and annotations. Each method returns null if the text is valid, else the error.</summary>
public static partial class NameRules
{
    private const string SubdomainPattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
    private const string SubdomainText =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '"
        + SubdomainPattern
        + "')";
    private const string LabelPattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    private const string LabelText =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '"
        + LabelPattern
        + "')";
    private const string QualifiedPattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    private const string QualifiedText =
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '"
        + QualifiedPattern
        + "')";
    private const string ValueText =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

    public static string? Subdomain(string name) =>
        name.Length > 253 ? "must be no more than 253 characters"
        : SubdomainRegex().IsMatch(name) ? null
        : SubdomainText;

    public static string? Label(string name) =>
        name.Length > 63 ? "must be no more than 63 characters"
        : LabelRegex().IsMatch(name) ? null
        : LabelText;

    /// <summary>RBAC objects may have any name that is a valid path segment.</summary>
    public static string? PathSegment(string name) =>
        name switch
        {
            "." or ".." => $"may not be '{name}'",
            _ when name.Contains('/') => "may not contain '/'",
            _ when name.Contains('%') => "may not contain '%'",
            _ => null,
        };

    public static string? LabelKey(string key)
    {
        var slash = key.IndexOf('/');
        if (slash >= 0)
        {
            if (slash == 0)
            {
                return "prefix part must be non-empty";
            }

            if (Subdomain(key[..slash]) is { } problem)
            {
                return $"prefix part {problem}";
            }
        }

        var name = key[(slash + 1)..];
        return name.Length == 0 ? "name part must be non-empty"
            : name.Length > 63 ? "name part must be no more than 63 characters"
            : QualifiedRegex().IsMatch(name) ? null
            : QualifiedText;
    }

    public static string? LabelValue(string value) =>
        value.Length > 63 ? "must be no more than 63 characters"
        : value.Length == 0 || QualifiedRegex().IsMatch(value) ? null
        : ValueText;

    [GeneratedRegex("^" + SubdomainPattern + "\\z")]
    private static partial Regex SubdomainRegex();

    [GeneratedRegex("^" + LabelPattern + "\\z")]
    private static partial Regex LabelRegex();

    [GeneratedRegex("^" + QualifiedPattern + "\\z")]
    private static partial Regex QualifiedRegex();
}
