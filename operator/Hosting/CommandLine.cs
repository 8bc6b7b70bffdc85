using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text.RegularExpressions;

namespace Bursar.Hosting;

/// <summary>
/// Runs a command line of either program. Every mistake and every failure ends here as one sentence on stderr and an exit code above 0;
/// no exception leaves as a stack trace.
/// </summary>
public static partial class CommandLine
{
    public const int Failed = 1;

    public const int Misused = 2;

    /// <summary>As a shell reports a program that Ctrl-C has ended.</summary>
    public const int Interrupted = 130;

    /// <summary>For the help text of the root command.</summary>
    public const string ExitCodes = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

    /// <param name="root">The program's commands.</param>
    /// <param name="args">What was typed.</param>
    /// <param name="explain">The sentence for a failure. It has no line break and does not begin with "error".</param>
    /// <param name="configuration">Where output and errors go; null for the console.</param>
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
    /// The reason of a failure on the network: .NET names it in the outermost exception, except where that one says "see inner exception",
    /// as it does for TLS.
    /// </summary>
    public static string Reason(Exception failure)
    {
        while (failure.InnerException is { } inner && failure.Message.Contains("inner exception", StringComparison.OrdinalIgnoreCase))
            failure = inner;
        return failure.Message;
    }

    /// <summary>A word that is no command names itself; that a command is missing only follows from it.</summary>
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

    /// <summary>On one line and with its full stop, without the names of .NET's types that System.CommandLine puts in.</summary>
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

/// <summary>A command line asks for what no command does: exit code 2.</summary>
public sealed class UsageException(string message) : Exception(message);
