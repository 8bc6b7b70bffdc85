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

/// <summary>A budget's name: <c>gpub/nlp</c>, <c>gpubudget/nlp</c>, <c>gpubudgets.bursar.dev/nlp</c>, or just <c>nlp</c>.</summary>
internal static class BudgetName
{
    public static Argument<string?> Argument(ArgumentArity arity) =>
        new("budget") { Description = "The budget, as gpub/<name>.", Arity = arity };

    /// <exception cref="UsageException">The text names no budget.</exception>
    public static string Parse(string text) =>
        TryParse(text) ?? throw new UsageException($"\"{text}\" does not name a budget; write gpub/<name>.");

    public static string? TryParse(string text) =>
        text.Length > 0 && !text.Contains('/', StringComparison.Ordinal)
            ? text
            : ObjectName.TryParse(text, "gpub", "gpubudget", "gpubudgets", "gpubudgets.bursar.dev");
}

/// <summary>A scaler's name: <c>infs/chat</c>, <c>inferencescaler/chat</c>, <c>inferencescalers.bursar.dev/chat</c>.</summary>
internal static class ScalerName
{
    /// <summary>Returns null if the text names no scaler.</summary>
    public static string? TryParse(string text) =>
        ObjectName.TryParse(text, "infs", "inferencescaler", "inferencescalers", "inferencescalers.bursar.dev");
}
