using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Prometheus;

namespace Bursar.Operator.Http;

/// <summary>
/// Serves <c>--metrics-address</c>: <c>/metrics</c>, <c>/healthz</c> (the process answers) and <c>/readyz</c> (its caches have synced).
/// </summary>
internal static class OperatorListener
{
    /// <param name="address"><c>host:port</c>; host <c>*</c> means all addresses, port 0 a free port.</param>
    /// <param name="metrics">Content of <c>/metrics</c>.</param>
    /// <param name="ready">Result of <c>/readyz</c>.</param>
    /// <param name="loggers">Creates the server's loggers.</param>
    /// <param name="cancellationToken">Cancels only the start.</param>
    public static Task<EdgeServer> StartAsync(
        string address,
        OperatorMetrics metrics,
        Func<bool> ready,
        ILoggerFactory loggers,
        CancellationToken cancellationToken
    ) =>
        EdgeServer.StartAsync(
            address,
            mostBytes: 0,
            application => application.Run(context => AnswerAsync(context, metrics, ready)),
            loggers,
            cancellationToken
        );

    private static async Task AnswerAsync(HttpContext context, OperatorMetrics metrics, Func<bool> ready)
    {
        var response = context.Response;
        if (context.Request.Method is not ("GET" or "HEAD"))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }
        byte[] body;
        switch (context.Request.Path.Value)
        {
            case "/metrics":
                response.ContentType = PrometheusConstants.TextContentTypeWithVersionAndEncoding;
                if (context.Request.Method == "GET")
                    await metrics.WriteAsync(response.Body, context.RequestAborted);
                return;
            case "/healthz":
                body = "ok\n"u8.ToArray();
                break;
            case "/readyz" when ready():
                body = "ok\n"u8.ToArray();
                break;
            case "/readyz":
                response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                body = "not ready: the cluster's state is still being read\n"u8.ToArray();
                break;
            default:
                response.StatusCode = StatusCodes.Status404NotFound;
                body = Encoding.UTF8.GetBytes("there is /metrics, /healthz and /readyz\n");
                break;
        }
        response.ContentType = "text/plain; charset=utf-8";
        response.ContentLength = body.Length;
        if (context.Request.Method == "GET")
            await response.Body.WriteAsync(body, context.RequestAborted);
    }
}
