using Bursar.Operator.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling.External;

/// <summary>
/// Serves <c>--external-scaler-address</c>: KEDA's external scaler over gRPC without TLS. Only the leader listens, because other replicas
/// have no figures. A client with several addresses uses the one that answers.
/// </summary>
internal sealed class ExternalScalerEndpoint : IAsyncDisposable
{
    /// <summary>Largest message that is read. KEDA's messages have a few hundred bytes.</summary>
    internal const int MaxMessageBytes = 64 * 1024;

    private readonly CancellationTokenSource _stopping;
    private readonly ExternalChanges _changes;
    private readonly EdgeServer _server;
    private int _disposed;

    private ExternalScalerEndpoint(EdgeServer server, ExternalChanges changes, CancellationTokenSource stopping) =>
        (_server, _changes, _stopping) = (server, changes, stopping);

    /// <summary>The address with the actual port: <c>host:port</c>.</summary>
    public string Address => _server.Address;

    /// <param name="address"><c>host:port</c>; host <c>*</c> means all addresses, port 0 a free port.</param>
    /// <param name="answers">Answers the queries.</param>
    /// <param name="loggers">Creates the server's loggers.</param>
    /// <param name="cancellationToken">Cancels only the start.</param>
    public static async Task<ExternalScalerEndpoint> StartAsync(
        string address,
        ExternalAnswers answers,
        ILoggerFactory loggers,
        CancellationToken cancellationToken
    )
    {
        var changes = new ExternalChanges();
        var stopping = new CancellationTokenSource();
        var service = new ExternalScalerService(answers, changes, stopping.Token);
        try
        {
            return new(
                await EdgeServer.StartAsync(
                    address,
                    MaxMessageBytes + 1024,
                    application => application.MapGrpcService<ExternalScalerService>(),
                    loggers,
                    cancellationToken,
                    protocols: HttpProtocols.Http2,
                    services: services =>
                    {
                        services.AddSingleton(service);
                        services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = MaxMessageBytes);
                    }
                ),
                changes,
                stopping
            );
        }
        catch
        {
            stopping.Dispose();
            throw;
        }
    }

    /// <summary>Makes open streams query again, because an answer may have changed. Cheap without open streams.</summary>
    public void Wake() => _changes.Raise();

    /// <summary>Ends open streams with Unavailable, upon which KEDA reconnects, and then stops the server.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        await _server.DisposeAsync();
        _stopping.Dispose();
    }
}
