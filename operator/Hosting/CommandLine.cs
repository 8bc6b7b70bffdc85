using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text.RegularExpressions;

namespace Bursar.Hosting;

/// <summary>
/// Runs the command line of a program. Wrong usage and failures become one sentence on stderr and an exit code above 0, never a stack
/// trace.
/// </summary>
public static partial class CommandLine
{
    public const int Failed = 1;

    public const int Misused = 2;

    /// <summary>The exit code with which shells report a program that Ctrl-C ended.</summary>
    public const int Interrupted = 130;

    public const string ExitCodes = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

    /// <summary>Runs the command of <paramref name="args"/> and returns the exit code.</summary>
    /// <param name="root">The program's commands.</param>
    /// <param name="args">The arguments.</param>
    /// <param name="explain">Returns the text for a failure. It has no line break and does not begin with "error".</param>
    /// <param name="configuration">Output and error writers; null for the console.</param>
    public static async Task<int> RunAsync(
        Command root,
        IReadOnlyList<string> args,
        Func<Exception, string> explain,
        InvocationConfiguration? configuration = null
    )
    {
        configuration ??= new();
        configuration.EnableDefaultExceptionHandler = false;
        try
        {
            var parsed = root.Parse(args);
            if (parsed.Action is ParseErrorAction)
            {
                var help = string.Join(' ', Path(parsed.CommandResult.Command, root).Reverse());
                await configuration.Error.WriteLineAsync($"error: {Sentence(Mistake(parsed))} See '{help} --help'.");
                return Misused;
            }
            return await parsed.InvokeAsync(configuration);
        }
        catch (UsageException wrong)
        {
            await configuration.Error.WriteLineAsync($"error: {Sentence(wrong.Message)}");
            return Misused;
        }
        catch (OperationCanceledException)
        {
            return Interrupted;
        }
        catch (Exception failure)
        {
            await configuration.Error.WriteLineAsync($"error: {Sentence(explain(failure))}");
            return Failed;
        }
    }

    /// <summary>
    /// Returns the reason of a network failure. It is in the outermost exception, unless that says "see inner exception", as for TLS.
    /// </summary>
    public static string Reason(Exception failure)
    {
        while (failure.InnerException is { } inner && failure.Message.Contains("inner exception", StringComparison.OrdinalIgnoreCase))
            failure = inner;
        return failure.Message;
    }

    /// <summary>Prefers the error about an unknown command over the error about a missing one, which follows from it.</summary>
    private static string Mistake(ParseResult parsed) =>
        (
            parsed.UnmatchedTokens is [var unknown, ..]
                ? parsed.Errors.FirstOrDefault(error => error.Message.Contains($"'{unknown}'", StringComparison.Ordinal))
                : null
        )?.Message
        ?? parsed.Errors[0].Message;

    private static IEnumerable<string> Path(Command command, Command root)
    {
        for (Command? at = command; at is not null; at = at == root ? null : at.Parents.OfType<Command>().FirstOrDefault())
            yield return at.Name;
    }

    /// <summary>Puts a text on one line with a full stop and removes the names of .NET types that System.CommandLine adds.</summary>
    private static string Sentence(string text)
    {
        var line = LineBreaks().Replace(TypeNames().Replace(text, ""), " ").Trim();
        return line.Length == 0 || line[^1] is '.' or '!' or '?' ? line : line + ".";
    }

    [GeneratedRegex(@"\s*[\r\n]\s*|\t+")]
    private static partial Regex LineBreaks();

    [GeneratedRegex(@" as expected type '[^']*'")]
    private static partial Regex TypeNames();
}

/// <summary>Wrong usage of the command line; exit code 2.</summary>
public sealed class UsageException(string message) : Exception(message);
