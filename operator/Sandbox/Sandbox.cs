using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.ApiServer.Garbage;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Sandbox;

/// <summary>Options of a <see cref="Sandbox"/>.</summary>
public sealed record SandboxOptions
{
    /// <summary>The cluster's clock, for creation times, watch timeouts and token expiry.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    public FaultPlan Faults { get; init; } = new();

    /// <summary>Seeds UIDs and generated names.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The port on 127.0.0.1; 0 means any free port.</summary>
    public int Port { get; init; }

    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>The number of changes that are kept per resource for watches; older versions get 410.</summary>
    public int HistoryLength { get; init; } = 10_000;
}

/// <summary>
/// An in-memory API server on loopback. It serves Kubernetes' kinds and those of CRDs, with storage, watches, patches, field ownership
/// and garbage collection. Controllers and nodes are clients of it, as on a real cluster.
/// </summary>
public sealed class Sandbox : IAsyncDisposable
{
    private const int TokenBytes = 24;
    private readonly ServerCertificate _certificate;
    private readonly GarbageCollector _garbage;
    private readonly ApiServerHost _host;
    private readonly ObjectStore _store;
    private readonly ListEndpoint _lists;

    private Sandbox(
        ServerCertificate certificate,
        GarbageCollector garbage,
        ApiServerHost host,
        ObjectStore store,
        ListEndpoint lists,
        KindRegistry kinds,
        FaultPlan faults,
        string token
    )
    {
        _certificate = certificate;
        _garbage = garbage;
        _host = host;
        _store = store;
        _lists = lists;
        Kinds = kinds;
        Faults = faults;
        Token = token;
    }

    public Uri Address => _host.Address;

    public string Token { get; }

    /// <summary>The certificate authority that clients must trust, in PEM.</summary>
    public string CertificateAuthority => _certificate.AuthorityPem;

    public KindRegistry Kinds { get; }

    public FaultPlan Faults { get; }

    /// <summary>A kubeconfig for this server with its token and authority.</summary>
    public string Kubeconfig =>
        $"""
            apiVersion: v1
            kind: Config
            current-context: sandbox
            clusters:
            - name: sandbox
              cluster:
                server: {Address.GetLeftPart(UriPartial.Authority)}
                certificate-authority-data: {Convert.ToBase64String(Encoding.ASCII.GetBytes(CertificateAuthority))}
            contexts:
            - name: sandbox
              context:
                cluster: sandbox
                user: sandbox
                namespace: default
            users:
            - name: sandbox
              user:
                token: {Token}

            """;

    public static async Task<Sandbox> StartAsync(SandboxOptions options, CancellationToken ct)
    {
        var kinds = new KindRegistry([.. BuiltInKinds.All, .. BuiltInKinds.Reviews]);
        var store = new ObjectStore(options.HistoryLength);
        var writer = new ObjectWriter(store, kinds, options.Time, new Random(options.Seed));
        var customResources = new CustomResources(kinds, writer, options.Time, options.LoggerFactory.CreateLogger<CustomResources>());
        writer.CrdWritten = customResources.Written;
        var activity = ActivityTracker.From(options.Time);
        var garbage = new GarbageCollector(store, writer, kinds, customResources, activity);
        CreateInitialObjects(kinds, writer);
        var lists = new ListEndpoint(store, options.Time);
        var watches = new WatchEndpoint(store, kinds, options.Faults, options.Time, activity);
        var resources = new ResourceEndpoint(
            kinds,
            store,
            writer,
            lists,
            watches,
            new SubresourceEndpoint(store, writer, options.Time),
            options.Time
        );
        var certificate = ServerCertificate.Create();
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));
        var host = await ApiServerHost
            .StartAsync(certificate, options.Port, token, kinds, resources, options.Faults, options.Time, activity, ct)
            .ConfigureAwait(false);
        return new Sandbox(certificate, garbage, host, store, lists, kinds, options.Faults, token);
    }

    /// <summary>Writes the kubeconfig to a new file that only its owner can read.</summary>
    public async Task WriteKubeconfigAsync(string path, CancellationToken ct)
    {
        File.Delete(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        var file = new FileStream(path, options);
        await using (file.ConfigureAwait(false))
        {
            await file.WriteAsync(Encoding.UTF8.GetBytes(Kubeconfig), ct).ConfigureAwait(false);
        }
    }

    /// <summary>Drops the history like a compaction of etcd, so that older watches and continue tokens get 410.</summary>
    public void Compact()
    {
        _store.ForgetHistory();
        _lists.ForgetPages();
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync().ConfigureAwait(false);
        await _garbage.DisposeAsync().ConfigureAwait(false);
        _certificate.Dispose();
    }

    /// <summary>Creates the objects that every new cluster has.</summary>
    private static void CreateInitialObjects(KindRegistry kinds, ObjectWriter writer)
    {
        var namespaces = ResourceType.From(kinds.Find("", "v1", "namespaces")!);
        foreach (var name in (string[])["default", "kube-system", "kube-public", "kube-node-lease"])
        {
            writer.Create(namespaces, "", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } }, [], WriteOptions.Internal);
        }

        var priorities = ResourceType.From(kinds.Find("scheduling.k8s.io", "v1", "priorityclasses")!);
        foreach (
            var (name, value) in ((string, int)[])[("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)]
        )
        {
            writer.Create(
                priorities,
                "",
                new JsonObject
                {
                    ["metadata"] = new JsonObject { ["name"] = name },
                    ["value"] = value,
                },
                [],
                WriteOptions.Internal
            );
        }
    }
}
