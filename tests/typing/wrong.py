"""What type checkers must refuse: each line below but the imports and the client has a mistake."""

from slope.client import Client

client = Client()
client.job("7").wieghts
client.attach("7").wieghts
client.train([1], [2], epohcs=3)
client.submit({}, timeuot=1.0)
client.epochs("7").losses
client.statistics("7").coefficients[0].standard_eror
