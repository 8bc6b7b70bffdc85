using System.CommandLine;
using Bursar.Hosting;

namespace Bursar.Operator.Commands;

/// <summary>
/// An object's name as kubectl accepts it: <c>kind/name</c>, with the kind's short name, singular, plural or plural with group.
/// </summary>
internal static class ObjectName
{
    /// <summary>Returns the name after the slash; null for another kind or an invalid text.</summary>
    public static string? TryParse(string text, params ReadOnlySpan<string> kinds)
    {
        var slash = text.IndexOf('/');
        return slash > 0 && slash < text.Length - 1 && text.IndexOf('/', slash + 1) < 0 && kinds.Contains(text[..slash].ToLowerInvariant())
            ? text[(slash + 1)..]
            : null;
    }
}

/// <summary>A budget's name as kubectl accepts it, such as <c>gpub/nlp</c>, <c>clustergpubudgets.bursar.dev/research</c>, or just <c>nlp</c>.</summary>
internal static class BudgetName
{
    public static Argument<string?> Argument(ArgumentArity arity) =>
        new("budget") { Description = "The budget, as gpub/<name>, or as cgpub/<name> for a ClusterGpuBudget.", Arity = arity };

    /// <exception cref="UsageException">The text names no budget.</exception>
    public static BudgetId Parse(string text, string ns) =>
        TryParse(text, ns) ?? throw new UsageException($"\"{text}\" does not name a budget; write gpub/<name> or cgpub/<name>.");

    /// <summary>Returns null if the text names no budget. A name without a kind is that of a GpuBudget.</summary>
    /// <param name="text">The argument.</param>
    /// <param name="ns">The namespace of a GpuBudget.</param>
    public static BudgetId? TryParse(string text, string ns)
    {
        var name =
            text.Length > 0 && !text.Contains('/', StringComparison.Ordinal)
                ? text
                : ObjectName.TryParse(text, "gpub", "gpubudget", "gpubudgets", "gpubudgets.bursar.dev");
        if (name is not null)
            return new(ns, name);
        return ObjectName.TryParse(text, "cgpub", "clustergpubudget", "clustergpubudgets", "clustergpubudgets.bursar.dev") is { } cluster
            ? new("", cluster)
            : null;
    }
}

/// <summary>A scaler's name: <c>infs/chat</c>, <c>inferencescaler/chat</c>, <c>inferencescalers.bursar.dev/chat</c>.</summary>
internal static class ScalerName
{
    /// <summary>Returns null if the text names no scaler.</summary>
    public static string? TryParse(string text) =>
        ObjectName.TryParse(text, "infs", "inferencescaler", "inferencescalers", "inferencescalers.bursar.dev");
}
