using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bursar.Agent.Certificates;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Http;
using Bursar.Sandbox;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using ApiServer = Bursar.Sandbox.Sandbox;

namespace Bursar.Tests.Integration.Operator.Http;

public sealed class CertificateControllerTests : IAsyncLifetime
{
    private readonly VirtualTimeProvider _time = new(new DateTimeOffset(2026, 11, 21, 8, 0, 0, TimeSpan.Zero));
    private readonly CancellationTokenSource _stop = new();
    private ApiServer _server = null!;
    private KubeClient _client = null!;

    public async Task InitializeAsync()
    {
        _server = await ApiServer.StartAsync(new SandboxOptions(), default);
        // The API server uses the machine's time. Only the certificates follow the test's clock.
        _client = new KubeClient(
            new KubeConfig
            {
                Server = _server.Address,
                CertificateAuthorityPem = _server.CertificateAuthority,
                Token = _server.Token,
            }
        );
        await _client.CreateAsync(new V1Namespace { Metadata = new() { Name = "bursar" } }, default);
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        _client.Dispose();
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task Controller_creates_both_Secrets_and_agent_and_operator_trust_each_other()
    {
        await AgentsNamespaceAsync();
        var keeper = await StartAsync();

        var secret = await AgentSecretAsync();
        secret.Type.Should().Be("kubernetes.io/tls");
        secret.Data.Keys.Should().BeEquivalentTo("tls.crt", "tls.key", "ca.crt");
        Refusals(keeper, secret).Should().Equal(null, null);
        (await AuthorityAsync()).Data.Keys.Should().BeEquivalentTo("tls.crt", "tls.key");
    }

    [Fact]
    public async Task Controller_writes_nothing_while_no_renewal_is_due()
    {
        await AgentsNamespaceAsync();
        var keeper = await StartAsync();
        var (authority, agents, trust) = (await AuthorityAsync(), await AgentSecretAsync(), keeper.Trust);

        await RunPassAsync(TimeSpan.FromDays(30));

        (await AuthorityAsync()).Metadata.ResourceVersion.Should().Be(authority.Metadata.ResourceVersion);
        (await AgentSecretAsync()).Metadata.ResourceVersion.Should().Be(agents.Metadata.ResourceVersion);
        keeper.Trust.Should().BeSameAs(trust);
    }

    [Fact]
    public async Task Leaves_are_renewed_in_time_under_the_same_root()
    {
        await AgentsNamespaceAsync();
        var keeper = await StartAsync();
        var (before, trust) = (await AgentSecretAsync(), keeper.Trust!);
        var changes = 0;
        keeper.Changed += () => changes++;

        await RunPassAsync(TimeSpan.FromDays(61));

        var after = await AgentSecretAsync();
        Text(after, "tls.crt").Should().NotBe(Text(before, "tls.crt"));
        Text(after, "ca.crt").Should().Be(Text(before, "ca.crt"));
        keeper.Trust!.Certificate.Should().NotBe(trust.Certificate);
        keeper.Trust.RootsPem.Should().Be(trust.RootsPem);
        changes.Should().Be(1);
        Refusals(keeper, after).Should().Equal(null, null);
    }

    [Fact]
    public async Task New_root_is_trusted_before_it_signs_and_the_old_one_until_it_ends()
    {
        await AgentsNamespaceAsync();
        var keeper = await StartAsync();
        var first = Text(await AuthorityAsync(), "tls.crt");

        await RunPassAsync(BursarCa.RootLife - CertificateController.RenewRootBefore + TimeSpan.FromHours(1));

        var during = await AgentSecretAsync();
        Text(await AuthorityAsync(), "tls.crt").Should().Be(first, "the new root must reach the agents before it signs");
        Roots(Text(during, "ca.crt")).Should().HaveCount(2);
        Refusals(keeper, during).Should().Equal(null, null);
        var (oldRoots, oldTrust) = (Text(during, "ca.crt"), keeper.Trust!);

        await RunPassAsync(CertificateController.RootOverlap);

        var after = await AgentSecretAsync();
        var authority = await AuthorityAsync();
        Text(authority, "tls.crt").Should().NotBe(first);
        authority.Data.Keys.Should().BeEquivalentTo("tls.crt", "tls.key", "previous.crt");
        Roots(Text(after, "ca.crt")).Should().HaveCount(2);
        Refusals(keeper, after).Should().Equal(null, null);
        // An agent that has not re-read its Secret yet still connects with the operator, in both directions.
        Refusal(keeper.Trust!.Certificate, oldRoots, PeerPurpose.Client, BursarNames.Operator).Should().BeNull();
        Refusal(new(Text(during, "tls.crt"), ""), keeper.Trust.RootsPem, PeerPurpose.Server, BursarNames.Agent("n1")).Should().BeNull();
        Refusal(new(Text(after, "tls.crt"), ""), oldTrust.RootsPem, PeerPurpose.Server, BursarNames.Agent("n1")).Should().BeNull();

        await RunPassAsync(CertificateController.RenewRootBefore);

        Roots(Text(await AgentSecretAsync(), "ca.crt")).Should().ContainSingle("the first root has expired");
        Refusals(keeper, await AgentSecretAsync()).Should().Equal(null, null);
    }

    [Fact]
    public async Task Successor_keeps_the_authority_as_it_is()
    {
        await AgentsNamespaceAsync();
        var first = await StartAsync();

        var second = new CertificateController(_client, "bursar", "bursar-agents", _time, NullLogger<CertificateController>.Instance);
        _ = second.RunAsync(_stop.Token);
        await Eventually.TrueAsync(() => second.Trust is not null, "the second keeper trusts");

        second.Trust!.RootsPem.Should().Be(first.Trust!.RootsPem);
        Refusals(second, await AgentSecretAsync()).Should().Equal(null, null);
    }

    [Fact]
    public async Task Missing_agent_namespace_is_logged_once_and_picked_up_when_created()
    {
        var log = new StringWriter();
        using var loggers = Bursar.Hosting.Logging.Create(
            Bursar.Hosting.LogFormat.Text,
            Microsoft.Extensions.Logging.LogLevel.Warning,
            TextWriter.Synchronized(log),
            _time
        );
        var keeper = new CertificateController(
            _client,
            "bursar",
            "bursar-agents",
            _time,
            new Microsoft.Extensions.Logging.Logger<CertificateController>(loggers)
        );
        _ = keeper.RunAsync(_stop.Token);
        await Eventually.TrueAsync(() => _time.Pending == 1, "the first look is over");
        for (var i = 0; i < 3; i++)
            await RunPassAsync(CertificateController.RetryEvery);

        keeper.Trust.Should().NotBeNull();
        log.ToString()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should()
            .ContainSingle()
            .Which.Should()
            .Contain("namespace does not exist");

        await AgentsNamespaceAsync();
        await RunPassAsync(CertificateController.RetryEvery);
        Refusals(keeper, await AgentSecretAsync()).Should().Equal(null, null);
    }

    [Fact]
    public async Task Deleted_or_damaged_Secret_is_created_again()
    {
        await AgentsNamespaceAsync();
        var keeper = await StartAsync();
        await _client.DeleteAsync<V1Secret>("bursar-agent-tls", "bursar-agents", null, default);

        await RunPassAsync(CertificateController.PollInterval);
        Refusals(keeper, await AgentSecretAsync()).Should().Equal(null, null);

        await _client.PatchAsync<V1Secret>(
            "bursar-ca",
            "bursar",
            KubePatch.Json(PatchOperation.Replace("/data/tls.key", "bm9uZQ==")),
            default
        );
        await RunPassAsync(CertificateController.PollInterval);
        Refusals(keeper, await AgentSecretAsync()).Should().Equal(null, null);
    }

    private Task AgentsNamespaceAsync() => _client.CreateAsync(new V1Namespace { Metadata = new() { Name = "bursar-agents" } }, default);

    private async Task<CertificateController> StartAsync()
    {
        var keeper = new CertificateController(_client, "bursar", "bursar-agents", _time, NullLogger<CertificateController>.Instance);
        _ = keeper.RunAsync(_stop.Token);
        await Eventually.TrueAsync(() => _time.Pending == 1, "the first look is over");
        return keeper;
    }

    /// <summary>Moves the clock, and returns after the controller's next pass.</summary>
    private async Task RunPassAsync(TimeSpan by)
    {
        await AdvanceAsync(by);
        // A look that began while the clock was moving may have read an earlier time.
        await AdvanceAsync(CertificateController.PollInterval);
    }

    private async Task AdvanceAsync(TimeSpan by)
    {
        var end = _time.GetUtcNow() + by;
        // The timer is the controller's only one: once it is set again, the pass is done.
        _time.Advance(by);
        await Eventually.TrueAsync(() => _time.NextDue > end, "the look is over");
    }

    private Task<V1Secret> AuthorityAsync() => _client.GetAsync<V1Secret>("bursar-ca", "bursar", default);

    private Task<V1Secret> AgentSecretAsync() => _client.GetAsync<V1Secret>("bursar-agent-tls", "bursar-agents", default);

    /// <summary>The operator's verdict on the agent's certificate, and the agent's on the operator's.</summary>
    private string?[] Refusals(CertificateController keeper, V1Secret agents) =>
        [
            Refusal(
                new(Text(agents, "tls.crt"), Text(agents, "tls.key")),
                keeper.Trust!.RootsPem,
                PeerPurpose.Server,
                BursarNames.Agent("some-node")
            ),
            Refusal(keeper.Trust.Certificate, Text(agents, "ca.crt"), PeerPurpose.Client, BursarNames.Operator),
        ];

    private string? Refusal(PemPair pair, string roots, PeerPurpose purpose, string name) =>
        PeerCheck.Refusal(X509Certificate2.CreateFromPem(pair.Certificate), Roots(roots), purpose, name, _time.GetUtcNow());

    private static X509Certificate2Collection Roots(string pem)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(pem);
        return roots;
    }

    private static string Text(V1Secret secret, string key) => Encoding.UTF8.GetString(secret.Data[key]);
}
