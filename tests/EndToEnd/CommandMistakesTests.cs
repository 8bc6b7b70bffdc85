using System.CommandLine;
using System.Text.Json.Nodes;
using Bursar.Agent.Certificates;
using Bursar.Core.State;
using Bursar.Demo;
using Bursar.Hosting;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Sandbox;

namespace Bursar.Tests.EndToEnd;

/// <summary>Mistakes on the command line: one sentence on stderr, nothing on stdout, and an exit code above 0.</summary>
public sealed class CommandMistakesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bursar-mistakes-").FullName;
    private CommandsWorld _world = null!;

    public async Task InitializeAsync()
    {
        _world = await CommandsWorld.StartAsync();
        await File.WriteAllTextAsync(Kubeconfig, Write(_world.Client.Config));
    }

    public async Task DisposeAsync()
    {
        await _world.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string Kubeconfig => Path.Combine(_folder, "config");

    /// <summary>One cluster for all cases, because its start takes long.</summary>
    [Fact]
    public async Task Mistake_is_one_sentence_and_no_success()
    {
        await _world.CreateBudgetAsync("vision", "2");
        await _world.CreateClusterBudgetAsync("research", "2", CommandsWorld.Team);
        foreach (
            var (line, code, sentence) in ((string, int, string)[])
                [
                    ("", 2, "Required command was not provided"),
                    ("frobnicate", 2, "Unrecognized command or argument 'frobnicate'. See '"),
                    ("report --frobnicate", 2, "report --help'"),
                    ("report -n nope", 1, "there is no ledger in namespace bursar-system"),
                    ("report --bursar-namespace nope", 1, "there is no namespace nope"),
                    ("report --bursar-namespace team-vision", 1, "there is no ledger in namespace team-vision"),
                    ("report --by team", 2, "'namespace' 'workload' 'model' 'day'"),
                    ("report --by 1", 2, "'namespace' 'workload' 'model' 'day'"),
                    ("report --output xml", 2, "'table' 'csv'"),
                    ("report --from yesterday", 2, "--from is a date"),
                    ("report --from 2026-11-02 --to 2026-11-01", 2, "before it begins"),
                    ("report --kubeconfig /nonexistent/config", 1, "There is no kubeconfig at /nonexistent/config"),
                    ("report --context nope", 1, "has no context named 'nope'"),
                    ("explain", 2, "Required argument missing"),
                    ("explain gpub/nope -n team-vision", 1, "there is no GpuBudget nope in namespace team-vision"),
                    ("explain gpub/vision -n nope", 1, "there is no GpuBudget vision in namespace nope"),
                    ("explain infs/nope -n team-vision", 1, "there is no InferenceScaler nope in namespace team-vision"),
                    ("explain job/nope -n team-vision", 1, "there is no Job nope in namespace team-vision"),
                    ("explain pod/nope -n team-vision", 1, "there is no Pod nope in namespace team-vision"),
                    ("explain trainjob/nope -n team-vision", 1, "there is no TrainJob nope in namespace team-vision"),
                    ("explain cow/nope", 2, "names no budget (gpub/<name>, cgpub/<name>)"),
                    ("explain cgpub/nope", 1, "there is no ClusterGpuBudget nope."),
                    ("explain gpub/research -n team-vision", 1, "there is no GpuBudget research in namespace team-vision"),
                    ("release cgpub/nope", 1, "there is no ClusterGpuBudget nope"),
                    ("release cgpub/vision", 1, "there is no ClusterGpuBudget vision"),
                    ("release cgpub/nope --end", 1, "there is no ClusterGpuBudget nope."),
                    ("release cgpub/research -n team-vision", 2, "A ClusterGpuBudget has no namespace"),
                    ("release cgpub/research --all", 2, "--all"),
                    ("explain gpub/vision -n team-vision --bursar-namespace nope", 1, "there is no namespace nope"),
                    ("release", 2, "--all"),
                    ("release gpub/vision --all", 2, "--all"),
                    ("release gpub/nope -n team-vision", 1, "there is no GpuBudget team-vision/nope"),
                    ("release gpub/nope -n team-vision --end", 1, "nope"),
                    ("release --all -n team-vision", 2, "--all is everything of all namespaces"),
                    ("release --all --dry-run -n team-vision", 2, "--all is everything of all namespaces"),
                    ("report --namespace ''", 2, "--namespace is given without a value"),
                    ("report --bursar-namespace ''", 2, "--bursar-namespace is given without a value"),
                    ("explain gpub/vision --namespace ''", 2, "--namespace is given without a value"),
                    ("release gpub/vision --namespace ''", 2, "--namespace is given without a value"),
                    ("release --all --end", 2, "--end goes with a budget alone"),
                    ("release job/vision -n team-vision", 2, "does not name a budget"),
                    ("release --all --bursar-namespace nope", 1, "there is no namespace nope"),
                    ("release gpub/vision -n team-vision --bursar-namespace nope", 1, "there is no namespace nope"),
                    ("request gpub/vision", 2, "'--amount' is required"),
                    ("request gpub/vision --amount 5", 2, "'--reason' is required"),
                    ("request gpub/vision --amount 0 --reason x", 2, "--amount \"0\" is not an amount above zero"),
                    ("request gpub/vision --amount 5 --reason x --until tomorrow", 2, "--until \"tomorrow\" is not a time"),
                    ("request job/vision --amount 5 --reason x", 2, "does not name a budget"),
                    ("request gpub/nope --amount 5 --reason x -n team-vision", 1, "there is no GpuBudget nope in namespace team-vision"),
                    ("approve gpubr/nope -n team-vision", 1, "there is no GpuBudgetRequest nope in namespace team-vision"),
                    ("approve gpub/vision", 2, "does not name a request"),
                    ("deny gpubr/nope", 2, "'--reason' is required"),
                    ("reset-breaker", 1, "no budget reports BreakerOpen"),
                    ("reset-breaker --bursar-namespace nope", 1, "there is no namespace nope"),
                    ("reset-breaker now", 2, "now"),
                    ("generate", 2, "--out"),
                    ("generate --out /proc/nope", 1, "/proc/nope"),
                    ("generate pricebook --from /nonexistent.csv", 1, "there is no file"),
                    ("generate pricebook --gpus many", 1, "--gpus"),
                    ("generate scaler", 2, "--from-scaledobject"),
                    ("generate scaler --from-scaledobject /nonexistent.yaml", 1, "there is no file /nonexistent.yaml"),
                    ("operator --kinds Cow", 2, "--kinds: Cow is not one of"),
                    ("operator --managers nobody", 2, "--managers: nobody is not one of"),
                    ("operator --log-level loud", 2, "--log-level is"),
                    ("operator --ledger-detail-days many", 2, "--ledger-detail-days is a number from 2 to 3660"),
                    ("operator --ledger-detail-days 0", 2, "from 2 to 3660"),
                    ("operator --webhook-url nowhere", 2, "--webhook-url"),
                    ("operator --metrics-address nonsense", 2, "--metrics-address: 'nonsense' is not host:port"),
                    ("operator --webhook-address 127.0.0.1:99999", 2, "--webhook-address: '127.0.0.1:99999' is not host:port"),
                    ("operator --external-scaler-address here:1", 2, "--external-scaler-address: 'here' is neither an address"),
                    ("operator --metrics-address 203.0.113.1:1", 1, "cannot listen on 203.0.113.1:1: "),
                    ("operator --kubeconfig /nonexistent/config", 1, "There is no kubeconfig"),
                    ("operator --namespace nope", 1, "there is no namespace nope for Bursar's ledger"),
                ]
        )
        {
            await ExpectAsync(line, code, sentence, NeedsCluster(line) ? Kubeconfig : null);
        }
    }

    [Fact]
    public async Task Report_of_a_namespace_that_is_nowhere_is_no_bill_of_zero()
    {
        var budget = await _world.CreateBudgetAsync("vision", "2");
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(await _world.CreateJobAsync("runaway", suspended: true), budget));
        await _world.StoreAsync(state);

        await ExpectAsync("report -n nope", 1, "there is no namespace nope", Kubeconfig);
        (await RunAsync("report -n team-vision", Kubeconfig)).Code.Should().Be(0);
    }

    [Fact]
    public async Task Refusal_names_the_right_that_is_missing()
    {
        _world.Refuse("list", "gpuledgers");
        await ExpectAsync("report", 1, "this needs the right to list gpuledgers.bursar.dev in namespace bursar-system", Kubeconfig);
        _world.Refuse("get", "gpubudgets");
        await ExpectAsync(
            "explain gpub/vision -n team-vision",
            1,
            "this needs the right to get gpubudgets.bursar.dev in namespace team-vision",
            Kubeconfig
        );
        _world.Refuse("get", "clustergpubudgets");
        await ExpectAsync("explain cgpub/research", 1, "this needs the right to get clustergpubudgets.bursar.dev.", Kubeconfig);
        _world.Refuse("get", "jobs");
        await ExpectAsync("explain job/x -n team-vision", 1, "this needs the right to get jobs.batch in namespace team-vision", Kubeconfig);
        _world.Refuse("create", "gpuledgers");
        await ExpectAsync("operator", 1, "the ledger cannot be written in namespace bursar-system", Kubeconfig);
    }

    [Fact]
    public async Task Refused_release_of_a_ClusterGpuBudget_names_the_right_without_a_namespace()
    {
        await _world.CreateClusterBudgetAsync("research", "2", CommandsWorld.Team);
        _world.Refuse("patch", "clustergpubudgets");

        await ExpectAsync("release cgpub/research", 1, "this needs the right to patch clustergpubudgets.bursar.dev.", Kubeconfig);
    }

    [Fact]
    public async Task Cluster_without_the_CRDs_is_distinguished_from_one_without_the_object()
    {
        await using var bare = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions(), CancellationToken.None);
        var config = new KubeConfig
        {
            Server = bare.Address,
            CertificateAuthorityPem = bare.CertificateAuthority,
            Token = bare.Token,
        };
        using var client = new KubeClient(config);
        await client.CreateAsync(new V1Namespace { Metadata = new() { Name = CommandsWorld.BursarNamespace } }, CancellationToken.None);
        var kubeconfig = Path.Combine(_folder, "bare");
        await File.WriteAllTextAsync(kubeconfig, Write(config));

        foreach (
            var line in (string[])
                [
                    "report",
                    "explain gpub/x",
                    "explain cgpub/x",
                    "explain infs/x",
                    "explain job/x",
                    "release gpub/x",
                    "release cgpub/x",
                    "request gpub/x --amount 5 --reason x",
                    "approve gpubr/x",
                    "deny gpubr/x --reason x",
                    "reset-breaker",
                    "operator",
                ]
        )
            await ExpectAsync(line, 1, "CRDs", kubeconfig);
    }

    [Fact]
    public async Task Server_that_cannot_be_trusted_or_reached_is_named_with_the_reason()
    {
        var stranger = Path.Combine(_folder, "stranger");
        await File.WriteAllTextAsync(
            stranger,
            Write(_world.Client.Config with { CertificateAuthorityPem = BursarCa.Create(TimeProvider.System.GetUtcNow()).Certificate })
        );
        await ExpectAsync("report", 1, "does not go back to the certificate authority of", stranger);

        var nowhere = Path.Combine(_folder, "nowhere");
        await File.WriteAllTextAsync(nowhere, Write(_world.Client.Config with { Server = new Uri("https://127.0.0.1:1") }));
        foreach (var line in (string[])["report", "explain gpub/x", "explain job/x", "release --all", "reset-breaker"])
            await ExpectAsync(line, 1, "the API server https://127.0.0.1:1/ (", nowhere);
    }

    [Fact]
    public async Task Mistake_of_the_agents_command_line_is_one_sentence()
    {
        foreach (
            var (line, code, sentence) in ((string, int, string)[])
                [
                    ("--frobnicate", 2, "--help'."),
                    ("--node-name n --scrape-interval-seconds 0", 2, "--scrape-interval-seconds '0'"),
                    ("--node-name n --log-level loud", 2, "--log-level is"),
                    ("--node-name n --dcgm-exporter ftp://x", 2, "--dcgm-exporter 'ftp://x'"),
                    ("--node-name n --servers /nonexistent/servers.json", 2, "/nonexistent/servers.json"),
                    ("--node-name n --journal-dir none --metrics-address nonsense", 1, "nonsense"),
                    ("probe --samples many", 2, "--samples 'many'"),
                ]
        )
        {
            await ExpectAsync(Bursar.AgentHost.AgentCommand.Create(), line, code, sentence);
        }
    }

    [Fact]
    public async Task Mistake_of_the_demos_command_line_is_one_sentence()
    {
        await ExpectAsync(DemoCommand.Create(), "--speed fast", 2, "--speed is a number");
        await ExpectAsync(DemoCommand.Create(), "--kubeconfig /tmp", 1, "/tmp is a folder");
        await ExpectAsync(
            DemoCommand.Create(),
            "--kubeconfig /nonexistent/dir/k",
            1,
            "there is no folder for the kubeconfig /nonexistent/dir/k"
        );
    }

    private static async Task ExpectAsync(Command root, string line, int code, string sentence)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var actual = await CommandLine
            .RunAsync(root, line.Split(' '), Failures.Describe, new() { Output = output, Error = error })
            .WaitAsync(TimeSpan.FromMinutes(2));
        actual.Should().Be(code, "'{0}' said {1}", line, error);
        error.ToString().Should().StartWith("error: ").And.Contain(sentence).And.NotContain("   at ");
        error.ToString().TrimEnd('\n').Should().MatchRegex("^[^\n]*[.!?]$", "'{0}'", line);
    }

    private static bool NeedsCluster(string line) =>
        line.Length > 0
        && line.Split(' ')[0] is "report" or "explain" or "release" or "request" or "approve" or "deny" or "reset-breaker" or "operator"
        && !line.Contains("--kubeconfig", StringComparison.Ordinal);

    private static async Task ExpectAsync(string line, int code, string sentence, string? kubeconfig)
    {
        var (actual, output, error) = await RunAsync(line, kubeconfig);
        actual.Should().Be(code, "'{0}' said {1}", line, error);
        output.Should().BeEmpty("'{0}'", line);
        error
            .Should()
            .StartWith("error: ")
            .And.Contain(sentence, "'{0}'", line)
            .And.NotContain("   at ")
            .And.NotContain("Exception")
            .And.NotContain("inner exception")
            .And.NotContain("System.")
            .And.NotContain("ReportBy");
        error.TrimEnd('\n').Should().MatchRegex("^[^\n]*[.!?]$", "'{0}'", line);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string line, string? kubeconfig)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        string[] args =
        [
            .. line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word == "''" ? "" : word),
            .. kubeconfig is null ? Array.Empty<string>() : ["--kubeconfig", kubeconfig],
        ];
        var code = await CommandLine
            .RunAsync(RootCommands.Create(), args, Failures.Describe, new() { Output = output, Error = error })
            .WaitAsync(TimeSpan.FromMinutes(2));
        return (code, output.ToString(), error.ToString());
    }

    private static string Write(KubeConfig config) =>
        new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Config",
            ["current-context"] = "sandbox",
            ["clusters"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "sandbox",
                    ["cluster"] = new JsonObject
                    {
                        ["server"] = config.Server.ToString(),
                        ["certificate-authority-data"] = Convert.ToBase64String(
                            System.Text.Encoding.UTF8.GetBytes(config.CertificateAuthorityPem!)
                        ),
                    },
                }
            ),
            ["contexts"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "sandbox",
                    ["context"] = new JsonObject { ["cluster"] = "sandbox", ["user"] = "admin" },
                }
            ),
            ["users"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "admin",
                    ["user"] = new JsonObject { ["token"] = config.Token },
                }
            ),
        }.ToJsonString();
}
