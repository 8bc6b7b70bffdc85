using System.CommandLine;

namespace Bursar.Operator.Commands;

/// <summary>A budget as one names it to kubectl: <c>gpub/nlp</c>, <c>gpubudget/nlp</c>, <c>gpubudgets.bursar.dev/nlp</c>, or <c>nlp</c> alone.</summary>
internal static class BudgetName
{
    public static Argument<string?> Argument(ArgumentArity arity) => new("budget") { Description = "The budget, as gpub/<name>.", Arity = arity };

    public static string Parse(string text)
    {
        var slash = text.IndexOf('/');
        var (kind, name) = slash < 0 ? ("gpub", text) : (text[..slash], text[(slash + 1)..]);
        return kind is "gpub" or "gpubudget" or "gpubudgets" or "gpubudgets.bursar.dev" && name.Length > 0 && !name.Contains('/', StringComparison.Ordinal)
            ? name
            : throw new CommandException($"\"{text}\" does not name a budget; write gpub/<name>.");
    }
}

/// <summary>A scaler as one names it to kubectl: <c>infs/chat</c>, <c>inferencescaler/chat</c>, <c>inferencescalers.bursar.dev/chat</c>.</summary>
internal static class ScalerName
{
    /// <summary>Null where it names no scaler.</summary>
    public static string? TryParse(string text)
    {
        var slash = text.IndexOf('/');
        return slash > 0 && text[..slash] is ("infs" or "inferencescaler" or "inferencescalers" or "inferencescalers.bursar.dev") && slash < text.Length - 1 && !text[(slash + 1)..].Contains('/', StringComparison.Ordinal)
            ? text[(slash + 1)..] : null;
    }
}
