using System.Net;
using Bursar.Agent.Certificates;
using Bursar.Agent.Client;
using Bursar.Agent.Endpoints;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Agent;

/// <summary>An agent with its real endpoints on loopback, over a reader and a kubelet whose answers the test sets.</summary>
internal sealed class SimulatedNode : IGpuReader, IPodResources, IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<AgentClient> _clients = [];

    private SimulatedNode(TimeProvider time, DateTimeOffset now)
    {
        Time = time;
        Root = BursarCa.Create(now);
        OperatorCertificate = BursarCa.CreateOperator(Root, now);
        AgentCertificate = BursarCa.CreateAgent(Root, now);
    }

    public TimeProvider Time { get; }

    public PemPair Root { get; }

    public PemPair OperatorCertificate { get; }

    public PemPair AgentCertificate { get; }

    public AgentServer Server { get; private set; } = null!;

    public GpuSnapshot Gpus { get; set; } = new(NvmlState.NoLibrary, "none", []);

    public IReadOnlyList<PodDevice> Devices { get; set; } = [];

    public static async Task<SimulatedNode> StartAsync(
        TimeProvider? time = null,
        bool certificates = true,
        Func<AgentOptions, AgentOptions>? change = null
    )
    {
        time ??= TimeProvider.System;
        var node = new SimulatedNode(time, time.GetUtcNow());
        if (certificates)
            node.Mount(node.Root, node.AgentCertificate);
        else
            Directory.CreateDirectory(node._folder.File("tls"));
        var options = new AgentOptions
        {
            NodeName = "gpu-1.example",
            OperatorAddress = "127.0.0.1:0",
            PodAddress = "127.0.0.1:0",
            MetricsAddress = "127.0.0.1:0",
            CertificateDirectory = node._folder.File("tls"),
            Random = new Random(3),
        };
        node.Server = await AgentServer.StartAsync(
            change?.Invoke(options) ?? options,
            node,
            node,
            time,
            NullLoggerFactory.Instance,
            default
        );
        return node;
    }

    /// <summary>Puts certificates where the agent looks for them.</summary>
    public void Mount(PemPair root, PemPair agent)
    {
        Directory.CreateDirectory(_folder.File("tls"));
        File.WriteAllText(_folder.File("tls/ca.crt"), root.Certificate);
        File.WriteAllText(_folder.File("tls/tls.key"), agent.PrivateKey);
        File.WriteAllText(_folder.File("tls/tls.crt"), agent.Certificate);
    }

    public AgentClient Client(PemPair? certificate = null, PemPair? root = null, string node = "gpu-1.example")
    {
        var client = new AgentClient(
            new AgentClientOptions
            {
                NodeName = node,
                Address = IPEndPoint.Parse(Server.Addresses.Operator),
                RootsPem = (root ?? Root).Certificate,
                Certificate = certificate ?? OperatorCertificate,
                Time = TimeProvider.System,
            }
        );
        _clients.Add(client);
        return client;
    }

    public static TargetPod Pod(string uid, params string[] ips) =>
        new()
        {
            Uid = uid,
            Namespace = "ml",
            Name = "pod-" + uid,
            Ips = ips,
        };

    public GpuSnapshot Read() => Gpus;

    public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) => Task.FromResult(Devices);

    public void Dispose() { }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            client.Dispose();
        await Server.DisposeAsync();
        _folder.Dispose();
    }
}
