using Bursar.Operator.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling.External;

/// <summary>
/// <c>--external-scaler-address</c>: KEDA's external scaler over gRPC in clear text. Only a leading operator has figures, so only it
/// listens: a caller with several addresses goes on to the one that answers.
/// </summary>
internal sealed class ExternalScalerEndpoint : IAsyncDisposable
{
    /// <summary>The largest message that is read; KEDA's have some hundred bytes.</summary>
    internal const int MaxMessageBytes = 64 * 1024;

    private readonly CancellationTokenSource _stopping;
    private readonly ExternalChanges _changes;
    private readonly EdgeServer _server;
    private int _disposed;

    private ExternalScalerEndpoint(EdgeServer server, ExternalChanges changes, CancellationTokenSource stopping) =>
        (_server, _changes, _stopping) = (server, changes, stopping);

    /// <summary>Where it listens, with the real port: <c>host:port</c>.</summary>
    public string Address => _server.Address;

    /// <param name="address"><c>host:port</c>; host <c>*</c> is every address, port 0 any free one.</param>
    /// <param name="answers">What stands behind it.</param>
    /// <param name="loggers">Where the server logs.</param>
    /// <param name="cancellationToken">Cancels the start alone.</param>
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

    /// <summary>Something that an answer depends on may have changed: open streams look again. Cheap where none is open.</summary>
    public void Wake() => _changes.Raise();

    /// <summary>Open streams end with Unavailable, by which KEDA comes again; then the door closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        await _server.DisposeAsync();
        _stopping.Dispose();
    }
}
