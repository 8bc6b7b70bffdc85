namespace Bursar.Agent.Certificates;

/// <summary>The names by which operator and agents know each other; they exist in certificates only, not in DNS.</summary>
public static class BursarNames
{
    public const string Operator = "operator.bursar.internal";

    public const string AgentWildcard = "*.agent.bursar.internal";

    public const string AgentSuffix = ".agent.bursar.internal";

    /// <summary>
    /// The host name of a node's agent. A node's name may hold dots, which a wildcard does not reach across, so they
    /// become dashes; a label ends at 63 characters.
    /// </summary>
    public static string Agent(string node)
    {
        char[] label = node.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-').ToArray();
        string text = new string(label).Trim('-');
        if (text.Length > 63)
            text = text[..63].TrimEnd('-');
        return (text.Length == 0 ? "node" : text) + AgentSuffix;
    }
}
