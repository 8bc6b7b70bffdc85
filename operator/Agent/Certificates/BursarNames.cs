namespace Bursar.Agent.Certificates;

/// <summary>The TLS names of the operator and the agents. They exist in certificates only, not in DNS.</summary>
public static class BursarNames
{
    public const string Operator = "operator.bursar.internal";

    public const string AgentWildcard = "*.agent.bursar.internal";

    public const string AgentSuffix = ".agent.bursar.internal";

    /// <summary>
    /// Returns the TLS name of a node's agent. Dots in the node's name become dashes, because a wildcard covers one label only. A label
    /// has at most 63 characters.
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
