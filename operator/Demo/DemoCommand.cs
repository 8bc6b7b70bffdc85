using System.CommandLine;
using System.Globalization;
using Bursar.Hosting;
using Bursar.Operator.Commands;
using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Bursar.Demo;

/// <summary>Options of the demo.</summary>
internal sealed record DemoOptions
{
    /// <summary>
    /// The path of the kubeconfig. If null, it is <c>./bursar-demo.kubeconfig</c>, or in a temporary folder with <see cref="Once"/> and if
    /// the current folder is not writable.
    /// </summary>
    public string? Kubeconfig { get; init; }

    /// <summary>Seconds of the cluster's time per second of the wall clock.</summary>
    public double Speed { get; init; } = 10;

    /// <summary>Ends with a summary once the runaway job is suspended.</summary>
    public bool Once { get; init; }

    /// <summary>With <see cref="Once"/>, the wall time after which the demo fails if the job is not suspended.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(3);

    public TimeProvider Wall { get; init; } = TimeProvider.System;
}

/// <summary><c>bursar-demo</c>: shows Bursar on an embedded cluster that users can query with kubectl.</summary>
internal static class DemoCommand
{
    private const string DefaultKubeconfig = "bursar-demo.kubeconfig";

    public static RootCommand Create()
    {
        var speed = new Option<double>("--speed")
        {
            Description = "How much faster than the wall clock the cluster's time runs.",
            DefaultValueFactory = _ => new DemoOptions().Speed,
            CustomParser = ReadSpeed,
        };
        var once = new Option<bool>("--once")
        {
            Description = "End with a summary once the runaway job is suspended; exit code 1 if it is not.",
        };
        var kubeconfig = new Option<string?>("--kubeconfig")
        {
            Description = $"Where to write the cluster's kubeconfig (./{DefaultKubeconfig}); removed at the end.",
        };
        var command = new RootCommand($"Watch Bursar catch a runaway training job on an embedded cluster. {CommandLine.ExitCodes}")
        {
            speed,
            once,
            kubeconfig,
        };
        command.SetAction(
            (parsed, cancellationToken) =>
            {
                var terminal =
                    !Console.IsOutputRedirected
                    && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
                    && AnsiConsole.Profile.Capabilities.Ansi;
                var options = new DemoOptions
                {
                    Kubeconfig = parsed.GetValue(kubeconfig),
                    Speed = parsed.GetRequiredValue(speed),
                    Once = parsed.GetValue(once),
                };
                return RunAsync(
                    options,
                    terminal ? AnsiConsole.Console : null,
                    parsed.InvocationConfiguration.Output,
                    parsed.InvocationConfiguration.Error,
                    cancellationToken
                );
            }
        );
        return command;
    }

    /// <param name="console">The terminal to draw on; null writes plain lines to <paramref name="output"/>.</param>
    public static async Task<int> RunAsync(
        DemoOptions options,
        IAnsiConsole? console,
        TextWriter output,
        TextWriter error,
        CancellationToken cancellationToken
    )
    {
        if (options.Kubeconfig is { } path && File.Exists(path))
        {
            await error.WriteLineAsync($"error: {path} exists; the demo writes its kubeconfig to a new file and removes it at the end.");
            return 1;
        }
        // Check before the cluster is started.
        if (options.Kubeconfig is { } wanted && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(wanted))))
            throw new CommandException($"there is no folder for the kubeconfig {wanted}.");
        if (Directory.Exists(options.Kubeconfig))
            throw new CommandException($"{options.Kubeconfig} is a folder; name the file that the kubeconfig is to be written to.");
        var folder =
            options.Kubeconfig is null && (options.Once || !CanWriteHere()) ? Directory.CreateTempSubdirectory("bursar-demo-") : null;
        var kubeconfig = options.Kubeconfig ?? Path.Combine(folder?.FullName ?? Environment.CurrentDirectory, DefaultKubeconfig);
        try
        {
            return await RunAsync(options, kubeconfig, console, output, error, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return options.Once ? 130 : 0;
        }
        finally
        {
            folder?.Delete(recursive: true);
        }
    }

    private static async Task<int> RunAsync(
        DemoOptions options,
        string kubeconfig,
        IAnsiConsole? console,
        TextWriter output,
        TextWriter error,
        CancellationToken cancellationToken
    )
    {
        var log = new DemoLog();
        using var logs = LoggerFactory.Create(builder => builder.AddProvider(log));
        await output.WriteLineAsync("Starting an embedded cluster with four GPU nodes, two teams and the operator (seconds) ...");
        await using var cluster = await DemoCluster.StartAsync(kubeconfig, options.Speed, options.Wall, logs, cancellationToken);
        var screen = new DemoScreen(cluster, console, output, options.Wall, Hints(cluster, options.Speed));
        log.SetWriter(screen.WriteLine);

        using var showing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var shown = screen.RunAsync(showing.Token);
        try
        {
            if (options.Once)
            {
                var caught = await cluster.WaitForCatchAsync(options.Deadline, cancellationToken);
                // Wait for its Event to appear on the screen.
                if (caught is not null)
                    await Task.WhenAny(screen.SuspensionShown, shown, Task.Delay(options.Deadline, options.Wall, cancellationToken));
                return Report(caught, options, output, error, await EndAsync());
            }
            // Run until Ctrl-C or a failure of the operator or the screen.
            await await Task.WhenAny(shown, cluster.Operator);
            return cancellationToken.IsCancellationRequested ? 0 : 1;
        }
        finally
        {
            log.SetWriter(_ => { });
            await EndAsync();
        }

        async Task<bool> EndAsync()
        {
            await showing.CancelAsync();
            await shown.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return shown.IsCompletedSuccessfully;
        }
    }

    private static double ReadSpeed(System.CommandLine.Parsing.ArgumentResult result)
    {
        if (
            result.Tokens is [{ Value: var text }]
            && double.TryParse(text, CultureInfo.InvariantCulture, out var speed)
            && speed is >= 0.1 and <= 10_000
        )
            return speed;
        result.AddError("--speed is a number from 0.1 to 10000.");
        return 0;
    }

    private static int Report(DemoCatch? caught, DemoOptions options, TextWriter output, TextWriter error, bool shown)
    {
        if (caught is null || !shown)
        {
            error.WriteLine($"The runaway job was not suspended within {options.Deadline.TotalSeconds:0} s.");
            return 1;
        }
        var (limit, spent, rest) = (Money(caught.Budget.Limit), Money(caught.Workload?.Spent), Money(caught.Suspended.CostToFinish));
        var currency = caught.Budget.Currency;
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"""

                Caught: Job {DemoWorld.RunawayNamespace}/{DemoWorld.RunawayJob} ({caught.Suspended.Reason})
                  expected    duration {DemoWorld.RunawayDeclared} (annotation)
                  suspended   {caught.After:hh\:mm\:ss} after its creation, by the cluster's clock
                  projected   {spent + rest:0.00} {currency}; budget {DemoWorld.RunawayBudget} has {limit:0.00} for all its workloads
                  had spent   {spent:0.00} {currency}
                  saved       {rest:0.00} {currency}
                """
            )
        );
        return 0;
    }

    /// <summary>Returns the text with commands that work as printed in the current folder.</summary>
    private static IReadOnlyList<string> Hints(DemoCluster cluster, double speed)
    {
        var (kubectl, bursar) = (Tool(".tools/kubectl", "kubectl"), Tool("bin/bursar", Path.Combine(AppContext.BaseDirectory, "bursar")));
        return
        [
            string.Create(CultureInfo.InvariantCulture, $"The cluster is at {cluster.Address}"),
            string.Create(
                CultureInfo.InvariantCulture,
                $"Its time runs {speed:0.##} times as fast as yours, and it began in the past: at least 12 h"
            ),
            "ago, so kubectl's AGE shows too much. Try in another terminal, in this folder:",
            .. kubectl == "kubectl" && File.Exists("Makefile")
                ? new[] { "  make tools    # kubectl into .tools/, if you have none; then .tools/kubectl" }
                : [],
            $"  export KUBECONFIG={cluster.KubeconfigPath}",
            $"  {kubectl} get gpub -A -w",
            $"  {kubectl} get jobs,events -n team-vision",
            $"  {kubectl} describe gpub vision -n team-vision",
            $"  {bursar} explain gpub/vision -n team-vision",
            $"  {bursar} report",
            "  # raise the limit: the job resumes",
            $"  {kubectl} patch gpub vision -n team-vision --type merge \\",
            "    -p '{\"spec\":{\"limit\":{\"cost\":\"30\"}}}'",
            "",
        ];
    }

    private static string Tool(string here, string otherwise) => File.Exists(here) ? here : otherwise;

    private static decimal Money(string? amount) => decimal.TryParse(amount, CultureInfo.InvariantCulture, out var value) ? value : 0;

    private static bool CanWriteHere()
    {
        try
        {
            var probe = Path.Combine(Environment.CurrentDirectory, Path.GetRandomFileName());
            File.Create(probe, 1, FileOptions.DeleteOnClose).Dispose();
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
